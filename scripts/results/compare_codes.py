"""Print how well and how sparsely networks explain the low-resolution pictures.

usage: python scripts/results/compare_codes.py FOLDER CHECKPOINT [CHECKPOINT ...]

FOLDER has high-resolution pictures; the checkpoints are of model=csc_sr or model=csc, of Y. Of the
residual of each shrunk picture: the part of its energy that the codes and the filters leave
unexplained, and how many codes of a pixel are not zero; means over pictures.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.assembly.checkpoints import load_checkpoint
from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import list_images, read_pixels, to_tensor
from srlab.imaging.resample import crop, crop_to_multiple, mirror_pad, shrink
from srlab.models.csc import CSC
from srlab.models.csc_sr import CSCSR
from srlab.sparse_coding.split import REACH, residual_of

FRAME = 8  # pixels of the residual beyond the picture, left out of the figures


def main() -> None:
    """Read the command line and print."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    rows = [("checkpoint", "unexplained", "codes per pixel")]
    try:
        pictures = list_images(Path(sys.argv[1]))
        for name in sys.argv[2:]:
            model, _ = load_checkpoint(Path(name))
            if not isinstance(model, CSC | CSCSR) or model.channels != 1:
                raise UserError(f"{name} is not of model=csc or model=csc_sr for Y")
            figures = torch.tensor([judge(model, picture) for picture in pictures])
            unexplained, active = figures.mean(dim=0).tolist()
            rows.append((name, f"{unexplained:.1%}", f"{active:.2f}"))
    except UserError as error:
        sys.exit(str(error))
    print("\n".join(aligned(rows)))


@torch.no_grad()
def judge(model: CSC | CSCSR, picture: Path) -> tuple[float, float]:
    """Return the part of the residual that is not explained, and the active codes per pixel."""
    hr = crop_to_multiple(to_channels(to_tensor(read_pixels(picture)), "y"), model.scale)
    lr = mirror_pad(quantise(shrink(hr, model.scale)).float(), FRAME + REACH)
    residual = residual_of(lr, model.smoothing)
    codes = model.codes(residual)
    error = crop(residual - synthesis(model, codes), FRAME)
    active = crop(codes, FRAME).count_nonzero() / error.numel()
    return (error.square().sum() / crop(residual, FRAME).square().sum()).item(), active.item()


def synthesis(model: CSC | CSCSR, codes: Tensor) -> Tensor:
    """Return the residual that the codes stand for."""
    filters = model.filters if isinstance(model, CSCSR) else model.synthesis
    return F.conv_transpose2d(codes, filters, padding=filters.shape[-1] // 2)


if __name__ == "__main__":
    main()
