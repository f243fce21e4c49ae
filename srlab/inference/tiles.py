"""Upscaling in tiles whose result is the whole picture's."""

import torch
from torch import Tensor

from srlab.imaging.resample import mirror_pad
from srlab.models import Model


@torch.inference_mode()
def upscale_tiled(model: Model, lr: Tensor, tile: int) -> Tensor:
    """Upscale ``(N, C, H, W)`` to ``(N, C, sH, sW)`` in tiles of ``tile`` LR pixels a side.

    Each tile is cut with a frame of ``model.halo`` pixels, the whole receptive field, so that it
    gives the pixels of the whole picture up to the rounding of another order of summation. A
    ``tile`` of 0 takes the picture whole. The result is on the CPU where there are tiles.
    """
    device = next((p.device for p in model.parameters()), lr.device)
    height, width = lr.shape[-2:]
    if tile == 0 or max(height, width) <= tile:
        return model(lr.to(device))
    scale, halo = model.scale, model.halo
    framed = mirror_pad(lr, halo)
    sr = torch.empty(*lr.shape[:2], height * scale, width * scale, dtype=lr.dtype)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            piece = framed[..., top : bottom + 2 * halo, left : right + 2 * halo]
            sr[..., top * scale : bottom * scale, left * scale : right * scale] = model(
                piece.to(device), halo=halo
            ).cpu()
    return sr
