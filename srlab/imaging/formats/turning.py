"""EXIF orientations: how a picture is turned upright."""

import numpy as np

ORIENTATION = 0x0112  # EXIF's tag, and TIFF's


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (1 to 8) of ``(H, W, C)``."""
    if swaps_sides(orientation):
        pixels = pixels.transpose(1, 0, 2)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def swaps_sides(orientation: int) -> bool:
    """Tell whether an orientation makes columns of rows."""
    return orientation in (5, 6, 7, 8)
