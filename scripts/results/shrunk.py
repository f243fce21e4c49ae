"""Write the photographs of Free9 and Budgie15 at 0.2, 0.117 and 0.05 of their size.

usage: SRLAB_DATA=FOLDER python scripts/results/shrunk.py OUTPUT

They are low resolution to which a large network makes the high one, for a small one to learn from.
"""

import os
import sys
from pathlib import Path

from PIL import Image

from srlab.data.named import several

_FACTORS = (0.2, 0.117, 0.05)


def main() -> None:
    """Write them."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    output = Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    for path in several(["Free9", "Budgie15"], os.environ.get("SRLAB_DATA", "data")).paths:
        picture = Image.open(path).convert("RGB")
        for factor in _FACTORS:
            size = round(picture.width * factor), round(picture.height * factor)
            small = picture.resize(size, Image.Resampling.BICUBIC)
            small.save(output / f"{path.parent.name}_{path.stem}_{int(factor * 1000)}.png")


if __name__ == "__main__":
    main()
