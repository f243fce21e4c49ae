"""Upscaling in tiles whose result is the whole picture's."""

import torch
from torch import Tensor

from srlab.imaging.resample import mirror_pad
from srlab.models import Model


@torch.inference_mode()
def upscale_tiled(model: Model, lr: Tensor, tile: int) -> Tensor:
    """Upscale ``(N, C, H, W)`` to ``(N, C, sH, sW)`` in tiles of ``tile`` LR pixels a side.

    Each tile is cut with ``model.halo`` pixels of context, the whole receptive field, so that it
    gives the pixels of the whole picture up to the rounding of another order of summation. The
    picture is mirrored by the model's ``frame`` at its border, and the context ends there: a deep
    network pads with zeros at the same places as on the whole picture. A ``tile`` of 0 takes the
    picture whole, and so does a model that must. The result is on the CPU where there are tiles.
    """
    device = next((p.device for p in model.parameters()), lr.device)
    height, width = lr.shape[-2:]
    if tile == 0 or model.whole or max(height, width) <= tile:
        return model(lr.to(device))
    scale, frame = model.scale, model.frame
    tile = _up_to(tile, model.grid)
    context = _up_to(model.halo - frame, model.grid)  # beyond the frame
    framed = mirror_pad(lr, frame)
    sr = torch.empty(*lr.shape[:2], height * scale, width * scale, dtype=lr.dtype)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            first, start = max(top - context, 0), max(left - context, 0)
            last, end = min(bottom + context, height), min(right + context, width)
            piece = framed[..., first : last + 2 * frame, start : end + 2 * frame]
            done = model(piece.to(device), halo=frame)
            sr[..., top * scale : bottom * scale, left * scale : right * scale] = done[
                ...,
                (top - first) * scale : (bottom - first) * scale,
                (left - start) * scale : (right - start) * scale,
            ].cpu()
    return sr


def _up_to(size: int, grid: int) -> int:
    """Return the next multiple of ``grid``."""
    return -(-size // grid) * grid
