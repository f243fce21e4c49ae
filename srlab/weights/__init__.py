"""The models that come with srlab: small networks, one safetensors file and one card each.

Nothing here imports torch, so that the command line can name them.
"""

import json
import re
from pathlib import Path

FREE = "_free"  # so end families that were trained on pictures of free licences alone
# The families that upscale where no model is named, by ``words.Effort``: pictures of which no codec
# took anything, and others.
CLEAN = {"fast": f"small{FREE}", "balanced": f"compact{FREE}", "best": f"large{FREE}"}
COMPRESSED = {"fast": f"photo_small{FREE}", "balanced": f"photo{FREE}", "best": f"photo{FREE}"}
# What scripts/measure/model_speed.py measured.
SPEEDS = Path(__file__).resolve().with_name("speed.json")
EXAMPLE = f"{CLEAN['balanced']}_x2, or another that model=list names"


def shipped() -> dict[str, Path]:
    """Return the file of each model by its name, as ``compact_x3``."""
    folder = Path(__file__).resolve().parent
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def speeds() -> tuple[dict[str, float], str]:
    """Return the seconds that models take for a megapixel on one thread, and of which processor."""
    measured = json.loads(SPEEDS.read_text())
    return measured["seconds"], measured["processor"]


def scales_of(family: str) -> tuple[int, ...]:
    """Return the scales of the models of a family, from small to large."""
    found = (re.fullmatch(rf"{re.escape(family)}_x(\d+)", name) for name in shipped())
    return tuple(sorted(int(name[1]) for name in found if name))
