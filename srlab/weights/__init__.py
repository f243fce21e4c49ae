"""The models that come with srlab: small networks, one safetensors file and one card each.

Nothing here imports torch, so that the command line can name them.
"""

import re
from pathlib import Path

FREE = "_free"  # so end families that were trained on pictures of free licences alone
# The families that upscale where no model is named: pictures that no codec took anything from, and
# others.
CLEAN, COMPRESSED = f"compact{FREE}", f"photo{FREE}"
EXAMPLE = f"{CLEAN}_x2, or another that model=list names"


def shipped() -> dict[str, Path]:
    """Return the file of each model by its name, as ``compact_x3``."""
    folder = Path(__file__).resolve().parent
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def scales_of(family: str) -> tuple[int, ...]:
    """Return the scales of the models of a family, from small to large."""
    found = (re.fullmatch(rf"{family}_x(\d+)", name) for name in shipped())
    return tuple(sorted(int(name[1]) for name in found if name))
