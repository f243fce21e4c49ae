"""Draw the figure of the drawn pictures: docs/images/drawn.png.

usage: python scripts/pages/drawn.py FILE
"""

import sys

from PIL import Image

from srlab.data.drawn import draw_shapes

_SHOWN = (4, 7, 16)
_PART, _SIDE, _GAP = 1024, 256, 8  # pixels: of a picture, of what is shown of it, between two


def main() -> None:
    """Draw it."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    figure = Image.new("RGB", (len(_SHOWN) * (_SIDE + _GAP) - _GAP, _SIDE), "white")
    for place, seed in enumerate(_SHOWN):
        part = draw_shapes(seed).crop((0, 0, _PART, _PART))
        small = part.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        figure.paste(small, (place * (_SIDE + _GAP), 0))
    figure.quantize(128, dither=Image.Dither.NONE).save(sys.argv[1], optimize=True)


if __name__ == "__main__":
    main()
