"""The picture that a run ends with: LR, bicubic, ours and the truth side by side."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from srlab.imaging.files import to_pixels
from srlab.imaging.resample import enlarge

_MARGIN, _BAR = 8, 26


def busiest_window(image: Tensor, side: int) -> tuple[int, int]:
    """Return the top left corner of the ``side`` x ``side`` window with the most detail.

    Detail is the mean absolute difference between neighbours of ``(1, C, H, W)``, on a grid of
    quarter windows.
    """
    height, width = image.shape[-2:]
    spots = [
        (top, left)
        for top in range(0, max(height - side, 0) + 1, max(side // 4, 1))
        for left in range(0, max(width - side, 0) + 1, max(side // 4, 1))
    ]

    def detail(spot: tuple[int, int]) -> float:
        window = image[..., spot[0] : spot[0] + side, spot[1] : spot[1] + side]
        return float(window.diff(dim=-1).abs().mean() + window.diff(dim=-2).abs().mean())

    return max(spots, key=detail)


def comparison(
    lr: Tensor, sr: Tensor, hr: Tensor, scale: int, captions: list[str], side: int = 96
) -> Image.Image:
    """Draw one window of LR (pixels repeated), bicubic, SR and HR, each with its caption.

    Args:
        lr: ``(1, C, H, W)`` in ``[0, 1]``.
        sr: ``(1, C, sH, sW)``.
        hr: ``(1, C, sH, sW)``.
        scale: The factor s.
        captions: Four.
        side: HR pixels of the window a side; each is drawn as 3 x 3.
    """
    side = min(side, *hr.shape[-2:])
    top, left = busiest_window(hr, side)
    panels = [enlarge(lr, scale, "nearest"), enlarge(lr, scale), sr.to(hr), hr]
    zoom = 3 * side
    sheet = Image.new("RGB", (4 * zoom + 5 * _MARGIN, zoom + 2 * _MARGIN + _BAR), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for number, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        window = panel[..., top : top + side, left : left + side].clamp(0, 1)
        tile = Image.fromarray(_rgb(window)).resize((zoom, zoom), Image.Resampling.NEAREST)
        x = _MARGIN + number * (zoom + _MARGIN)
        sheet.paste(tile, (x, _MARGIN))
        draw.text((x, zoom + _MARGIN + 4), caption, fill=(0, 0, 0), font=font)
    return sheet


def _rgb(image: Tensor) -> np.ndarray:
    return to_pixels(image.expand(-1, 3, -1, -1).to(torch.float64))
