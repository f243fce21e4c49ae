"""The photographs that scikit-image bundles: real pictures without a download."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from srlab.data.images import ImageSet
from srlab.errors import UserError

# Two views of one scene (motorcycle) stay on the same side of the split.
TRAINING = (
    "brick.png",
    "camera.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
HELD_OUT = ("astronaut.png", "chelsea.png", "coffee.png")
VALIDATING = ("cell.png", "clock_motion.png", "page.png", "text.png")


def training(shrink: Sequence[float] = (1.0,), hardest: float = 1.0) -> ImageSet:
    """Return the photographs to train on."""
    return ImageSet("photos", _find(TRAINING), tuple(shrink), hardest=hardest)


def held_out() -> ImageSet:
    """Return the photographs to judge on: a person, a cat, a cup of coffee."""
    return ImageSet("photos", _find(HELD_OUT))


def validating() -> ImageSet:
    """Return the pictures to choose by: cells, a clock, two pages."""
    return ImageSet("scikit-image", _find(VALIDATING))


def _find(names: Sequence[str]) -> tuple[Path, ...]:
    place = Path(str(files("skimage"))) / "data"
    missing = [name for name in names if not (place / name).is_file()]
    if missing:
        raise UserError(
            f"this scikit-image does not bundle {', '.join(missing)}: install scikit-image>=0.25 "
            f"from a wheel, or train on data=folder data.path=FOLDER"
        )
    return tuple(place / name for name in names)
