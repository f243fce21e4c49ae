"""Where the configs are: beside the package when installed, above it in a checkout."""

from pathlib import Path


def config_dir() -> Path:
    """Return the folder of the primary configs."""
    package = Path(__file__).resolve().parent.parent
    installed, checkout = package / "configs", package.parent / "configs"
    return installed if installed.is_dir() else checkout
