"""Filters and feature maps as one picture."""

import math

import torch
from torch import Tensor


def contact_sheet(filters: Tensor, zoom: int = 1) -> Tensor:
    """Lay small pictures out on a sheet, those of the most energy first.

    Each is scaled by its own largest magnitude, with mid-grey for 0 and a dark line between them.

    Args:
        filters: ``(K, 1, h, w)``.
        zoom: How many pixels show one.

    Returns:
        ``(1, 1, H, W)`` in ``[0, 1]``.
    """
    order = filters.flatten(1).norm(dim=1).argsort(descending=True, stable=True)
    small = filters[order, 0].detach().float().cpu()
    peaks = small.abs().amax(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
    shown = (small / peaks / 2 + 0.5).repeat_interleave(zoom, -2).repeat_interleave(zoom, -1)
    count, height, width = shown.shape
    across = math.ceil(math.sqrt(count * height / width))
    down = math.ceil(count / across)
    sheet = torch.zeros(down * (height + 1) + 1, across * (width + 1) + 1)
    for number, picture in enumerate(shown):
        top, left = (1 + place * (side + 1) for place, side in
                     zip(divmod(number, across), (height, width), strict=True))  # fmt: skip
        sheet[top : top + height, left : left + width] = picture
    return sheet[None, None]
