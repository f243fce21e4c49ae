"""``srlab data show``: a picture of what a training is fed."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srlab.assembly.testsets import build_degradation
from srlab.assembly.training_checks import check_degradable, tell_misfit, tell_trained_on
from srlab.command_line.invocation import Invocation
from srlab.config.build import build
from srlab.config.check import check
from srlab.config.ranges import SEED_RANGE, check_scale
from srlab.config.schema import DataShowConfig
from srlab.data.pack import open_pack
from srlab.data.pairs import AS_GIVEN
from srlab.data.patches import PatchBatches
from srlab.degradations.degradation import BICUBIC
from srlab.errors import OutputExists, UserError
from srlab.imaging.files import png_of, to_pixels
from srlab.imaging.resample import enlarge
from srlab.storage.atomic import write_atomically

_MARGIN, _SIDE = 6, 192  # pixels between patches; of an HR patch as it is drawn, at least
_MOST = 64  # patches


def run(call: Invocation[DataShowConfig]) -> Path:
    """Draw patches of the first batch: LR, bicubic and HR below each other.

    Raises:
        UserError: A value is out of range, the data cannot be read, or the file is there.
    """
    config = call.config
    output = Path(config.output).expanduser()
    _check(config, output)
    images, degradation = build(config.data, "data"), build_degradation(config.degradation)
    check_degradable(images, degradation, config.scale)
    pack = open_pack(images, config.scale, config.colour, config.patch_size, degradation)
    tell_trained_on(images, [pack])
    tell_misfit(images, config.scale)
    batches = PatchBatches(pack, config.patches, config.patch_size, 0, config.seed)
    lr, hr = (patches.double() / pack.top for patches in batches[0])
    write_atomically(output, png_of(_sheet(lr, hr, config.scale)))
    by = AS_GIVEN if images.low else f"by {degradation.name if degradation else BICUBIC}"
    print(f"{config.patches} patches of {images.name}, LR {by}: LR, bicubic, HR in {output}")
    return output


def _check(config: DataShowConfig, output: Path) -> None:
    check_scale(config.scale)
    for key, most in (("patches", _MOST), ("patch_size", 512)):
        if not 1 <= getattr(config, key) <= most:
            raise UserError(f"{key} must lie from 1 to {most}, got {getattr(config, key)}")
    if not 0 <= config.seed < 2**63:
        raise UserError(SEED_RANGE)
    if output.suffix.lower() != ".png":
        raise UserError(f"output={output}: name a PNG file")
    if output.exists():
        raise OutputExists(f"{output} exists: name another output, nothing is overwritten")
    check({"data": config.data, "degradation": config.degradation})


def _sheet(lr: Tensor, hr: Tensor, scale: int) -> np.ndarray:
    """Draw LR, bicubic and HR ``(N, C, H, W)`` in three rows, each patch enlarged by repetition."""
    zoom = max(1, round(_SIDE / hr.shape[-1]))
    rows = [
        torch.cat([_framed(enlarge(patch[None], zoom, "nearest")) for patch in patches], dim=3)
        for patches in (enlarge(lr, scale, "nearest"), enlarge(lr, scale).clamp(0, 1), hr)
    ]
    return to_pixels(torch.cat(rows, dim=2))


def _framed(patch: Tensor) -> Tensor:
    return torch.nn.functional.pad(patch, [_MARGIN] * 4, value=1.0)
