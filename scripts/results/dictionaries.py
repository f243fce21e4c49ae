"""Draw what CSC-SR learnt: its filters, and the sparse codes and the enlargement of a picture.

usage: python scripts/results/dictionaries.py CHECKPOINT PICTURE FOLDER

PICTURE is a high-resolution one; its luminance is shrunk, coded and enlarged again. FOLDER, a new
one, gets filters-lr.png, filters-hr.png, codes.png and reconstruction.png (shrunk, bicubic, CSC-SR,
truth).
"""

import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from srlab.assembly.checkpoints import load_checkpoint
from srlab.errors import UserError
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, enlarge, mirror_pad, shrink
from srlab.models.csc_sr import CSCSR
from srlab.sparse_coding.contact_sheet import contact_sheet

SHOWN = 24  # feature maps, those of the most energy


def main() -> None:
    """Read the command line and draw."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        draw(*map(Path, sys.argv[1:]))
    except UserError as error:
        sys.exit(str(error))


@torch.no_grad()
def draw(checkpoint: Path, picture: Path, folder: Path) -> None:
    """Write the four pictures."""
    model, _ = load_checkpoint(checkpoint)
    if not isinstance(model, CSCSR):
        raise UserError(f"{checkpoint} is not a checkpoint of model=csc_sr")
    scale = model.scale
    hr = crop_to_multiple(to_channels(to_tensor(read_pixels(picture)), "y"), scale)
    lr = quantise(shrink(hr, scale)).float()
    residual, _ = model.split(mirror_pad(lr, model.frame))
    codes = model.codes(residual)[0].unsqueeze(1)
    energy = codes.flatten(1).norm(dim=1)
    strongest = codes[energy.argsort(descending=True)[:SHOWN]]
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror}") from None
    write(folder / "filters-lr.png", contact_sheet(model.filters, zoom=8))
    write(folder / "filters-hr.png", contact_sheet(model.responses(), zoom=3))
    write(folder / "codes.png", contact_sheet(strongest))
    row = [enlarge(lr, scale, "nearest"), enlarge(lr, scale), model(lr), hr.float()]
    write(folder / "reconstruction.png", torch.cat(row, dim=-1).clamp(0, 1))
    used = int(codes.count_nonzero()) / codes[0].numel()
    print(f"{used:.2f} of {len(codes)} codes for each LR pixel are not zero")


def write(path: Path, image: Tensor) -> None:
    """Write a picture ``(1, 1, H, W)`` in ``[0, 1]``."""
    Image.fromarray(to_pixels(image)[..., 0]).save(path)


if __name__ == "__main__":
    main()
