"""Pictures of shapes, drawn: discs, polygons, bars and stripes of all sizes, one over the other.

After the dead leaves model (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV
2001), by which Achddou, Gousseau and Ladjal ("Synthetic images as a regularity prior for image
restoration neural networks", SSVM 2021) train: sizes follow a power law. The pictures are large and
their edges are steps, so they are for training on shrunk copies, as with
``data.shrink=[0.35,0.25,0.15]``. Where no shape lies, a few per cent of a picture, it is black.
"""

import numpy as np
from PIL import Image, ImageDraw

SIDE = 1536  # pixels
_SHAPES, _LARGE = 900, 40
_SMALLEST, _LARGEST, _POWER = 7.0, 300.0, 1.3  # radii: as many above r as r ** -_POWER
_STRIPES_FROM = 30.0  # the radius from which stripes are drawn


def draw_shapes(seed: int) -> Image.Image:
    """Return a picture, RGB, of ``SIDE`` x ``SIDE``: by one numpy and Pillow always the same."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (SIDE, SIDE))
    draw = ImageDraw.Draw(picture)
    low, high = _SMALLEST**-_POWER, _LARGEST**-_POWER
    radii = (low + rng.random(_SHAPES) * (high - low)) ** (-1 / _POWER)
    radii[:_LARGE] = rng.uniform(80, 400, _LARGE)  # which cover most of the ground
    common, grey = rng.integers(0, 256, 3), rng.random() < 0.3
    for radius in radii:
        colours = [_colour(rng, common, grey) for _ in range(2)]
        _add(draw, rng, float(radius), colours)
    return picture


def _colour(rng: np.random.Generator, common: np.ndarray, grey: bool) -> tuple[int, ...]:
    """Return a colour; half of them lean to what is common to the picture."""
    own = np.repeat(rng.integers(0, 256), 3) if grey else rng.integers(0, 256, 3)
    mixed = (own + common) // 2 if rng.random() < 0.5 else own
    return tuple(int(level) for level in mixed)


def _add(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, radius: float, colours: list[tuple]
) -> None:
    """Draw a shape of one of the kinds, anywhere."""
    centre, angle = rng.uniform(0, SIDE, 2), rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = along[::-1] * (-1, 1)
    kind = rng.integers(0, 5)
    if kind == 0:
        draw.ellipse([*(centre - radius), *(centre + radius)], fill=colours[0])
    elif kind == 1:
        corners = rng.integers(3, 7)
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        out = radius * rng.uniform(0.5, 1.3, (corners, 1))
        draw.polygon([tuple(point) for point in centre + out * rays], fill=colours[0])
    elif kind == 2:  # a bar
        ends = [tuple(centre + side * 2.5 * radius * along) for side in (-1, 1)]
        draw.line(ends, fill=colours[0], width=max(1, int(radius * rng.uniform(0.05, 0.4))))
    elif kind == 3 or radius <= _STRIPES_FROM:  # a rectangle
        wide = radius * rng.uniform(0.3, 1)
        turns = ((1, 1), (1, -1), (-1, -1), (-1, 1))
        points = [tuple(centre + a * radius * along + b * wide * across) for a, b in turns]
        draw.polygon(points, fill=colours[0])
    else:
        period = rng.uniform(9, 40)
        for number in range(-int(radius / period) - 1, int(radius / period) + 2):
            middle = centre + number * period * across
            ends = [tuple(middle + side * radius * along) for side in (-1, 1)]
            draw.line(ends, fill=colours[number % 2], width=int(period))
