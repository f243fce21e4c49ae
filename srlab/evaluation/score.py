"""Scores by the protocols of the published tables.

``matlab``, which EDSR and most since then follow: LR is MATLAB's bicubic of HR, rounded to 8 bits;
SR and HR are compared on Y rounded to 8 bits.

``vdsr``, of the codes of SRCNN (Dong et al. 2014) and VDSR (Kim et al. 2016): as ``matlab``, but LR
is left as MATLAB's ``imresize`` of a floating-point picture gives it, neither rounded nor clamped.

``basicsr``, of the toolbox of that name (``calculate_psnr`` with ``test_y_channel``): all pictures
are RGB of 8 bits, SR and greyscale ones too, and Y is computed of them without rounding. A network
of Y gets the Y of LR, not rounded; chroma goes by bicubic, and what is judged is the RGB picture.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from srlab.degradations.degradation import BICUBIC
from srlab.imaging.colour import luma, quantise
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.resample import crop
from srlab.imaging.sizes import quotient
from srlab.machine.precision import single_precision
from srlab.machine.threads import map_in_threads
from srlab.metrics.checkerboard import picture_ripple
from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim
from srlab.words import Protocol

MOST_DB = 100.0  # what an image counts as that is met exactly, or nearly: its PSNR is infinite


@dataclass(frozen=True)
class Score:
    """PSNR in dB, SSIM, and checkerboard in grey levels of one image."""

    image: str
    psnr: float
    ssim: float
    ripple: float


def protocol(
    scale: float | str,
    colour: str,
    kind: Protocol = Protocol.matlab,
    degradation: str = BICUBIC,
    bits: int = 8,
) -> str:
    """Say in a line how scores are computed; ``scale`` may be the letter that stands for any."""
    if kind == Protocol.basicsr:
        seen = "RGB" if colour == "rgb" else "Y, chroma by bicubic"
        seen += f", as RGB of {bits} bits, grey pictures too; judged on Y"
    else:
        seen = "RGB, judged on Y" if colour == "rgb" else "Y"
    named = "" if kind == Protocol.matlab else f"{kind}: "
    luma = "not rounded" if kind == Protocol.basicsr else f"rounded to {bits} bits"
    lr = "not rounded" if kind == Protocol.vdsr else "rounded"
    border, period = (scale, scale) if isinstance(scale, str) else border_and_period(scale)
    peak = f"peak {2**bits - 1}, at most {MOST_DB:.0f} dB"
    return (
        f"{named}{seen} of BT.601 YCbCr (16-235) {luma}, {peak}; "
        f"LR = {degradation} / {scale}, {lr}; {_by_the_next(scale)}border of {border} px shaved; "
        f"SSIM 11x11 Gaussian, sigma 1.5, valid; "
        f"ripple = checkerboard of period {period} px in SR alone, rms in grey levels of 255; "
        f"mean over images"
    )


def border_and_period(scale: float) -> tuple[int, int]:
    """Return how many pixels of a border do not count, and the period of a checkerboard.

    Of a scale that is not whole, p/q, the border is rounded up, and pixels lie alike every p.
    """
    return ceil(scale), quotient(scale).numerator


def _by_the_next(scale: float | str) -> str:
    if isinstance(scale, str) or scale == int(scale):
        return ""
    return f"SR of networks = x{ceil(scale)}, rounded, made smaller by MATLAB bicubic; "


def score_images(
    upscale: Callable[[Tensor], Tensor],
    pairs: Iterable[tuple[str, np.ndarray, np.ndarray]],
    scale: float,
) -> list[Score]:
    """Judge an upscaler on images: the list of ``scores``, without TF32 on a GPU."""
    with single_precision():
        return list(scores(upscale, pairs, scale))


def scores(
    upscale: Callable[[Tensor], Tensor],
    pairs: Iterable[tuple[str, np.ndarray, np.ndarray]],
    scale: float,
    rounded: bool = True,
    keep: Callable[[int, np.ndarray], None] | None = None,
) -> Iterator[Score]:
    """Judge an upscaler on images, and yield their scores in turn.

    Args:
        upscale: Maps LR ``(1, C, H, W)`` float32 in ``[0, 1]`` to SR ``(1, C, sH, sW)``, which is
            judged on the device it lies on. Several threads call it at a time.
        pairs: Name, LR levels ``(H, W, C)``, uint8, uint16 or float32 of 0 to 255, and HR pixels
            ``(sH, sW, C)``, uint8 or uint16, which says to what SR is rounded.
        scale: The factor s; see ``border_and_period``.
        rounded: Whether Y of colours is rounded; SR itself always is.
        keep: Gets the number of each image and the SR that is judged, ``(sH, sW, 1 or 3)``, uint8
            or uint16, from several threads at a time.
    """
    border, period = border_and_period(scale)

    @torch.inference_mode()
    def score(numbered: tuple[int, tuple[str, np.ndarray, np.ndarray]]) -> Score:
        number, (name, lr, hr) = numbered
        bits = 8 * hr.itemsize
        sr = quantise(upscale(to_tensor(lr).float()).double(), bits)
        truth = to_tensor(torch.from_numpy(hr).to(sr.device))
        if truth.shape[1] == 1 and sr.shape[1] > 1:  # grey is Y, whatever the network made of it
            sr = quantise(sr.mean(dim=1, keepdim=True), bits)
        if keep is not None:
            keep(number, to_pixels(sr, bits))
        sr_y, hr_y = (crop(_judged(x, bits if rounded else None), border) for x in (sr, truth))
        ripple = picture_ripple(sr_y, period)
        metrics = psnr(sr_y, hr_y).clamp(max=MOST_DB), ssim(sr_y, hr_y), ripple
        return Score(name, *torch.cat(metrics).tolist())

    return map_in_threads(score, enumerate(pairs))


def mean_score(images: list[Score]) -> Score:
    """Return the mean over images, as tables print it."""
    return Score(
        "mean",
        sum(s.psnr for s in images) / len(images),
        sum(s.ssim for s in images) / len(images),
        sum(s.ripple for s in images) / len(images),
    )


def smallest_side(scale: float) -> int:
    """Return the fewest HR pixels a side that can be judged.

    SSIM's window, or three blocks for the ripple, and the border.
    """
    border, period = border_and_period(scale)
    return max(11, 3 * period) + 2 * border


def _judged(image: Tensor, bits: int | None) -> Tensor:
    if image.shape[1] == 1:
        return image
    return quantise(luma(image), bits) if bits else luma(image)
