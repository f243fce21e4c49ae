"""The models that come with srlab: small networks of luma, one safetensors file and one card each.

Nothing here imports torch, so that the command line can name them.
"""

from pathlib import Path

DEFAULT = "compact"  # the family that upscales where no model is named


def shipped() -> dict[str, Path]:
    """Return the file of each model by its name, as ``compact_x3``."""
    folder = Path(__file__).resolve().parent
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def default_for(scale: int) -> str | None:
    """Return the name of the model that upscales by ``scale`` unless told otherwise, if any."""
    name = f"{DEFAULT}_x{scale}"
    return name if name in shipped() else None
