"""What the stages of ``gpu.py`` train on, judge on and upscale: T91 and Set5 if they are there."""

import importlib.util
from pathlib import Path

import numpy as np
from gpu_commands import ROOT, Tour, data_folder
from PIL import Image

BY_ITSELF = {"csc_sr"}  # networks that learn without gradients: they have no step to record


def networks() -> list[str]:
    """Return the names of the networks that have weights."""
    found = configs("model")
    return [path.stem for path in found if "srlab.models.plain." not in path.read_text()]


def configs(group: str) -> list[Path]:
    """Return the files of the options of a group."""
    return sorted((ROOT / "configs" / group).glob("*.yaml"))


def training(tour: Tour) -> list[str]:
    """Return the arguments that choose what is trained on: T91 if it is there."""
    if (data_folder() / "T91").is_dir():
        return ["data=t91"]
    return small_pictures(tour)["data"] if tour.options.tiny else ["data=photos"]


def testing(tour: Tour) -> list[str]:
    """Return the arguments that choose what is judged on: Set5 if it is there."""
    if (data_folder() / "Set5").is_dir():
        return ["testset=set5"]
    return small_pictures(tour)["testset"] if tour.options.tiny else ["testset=photos"]


def a_picture(tour: Tour) -> Path:
    """Return a picture to upscale: the first one of Set5 if it is there."""
    if (data_folder() / "Set5").is_dir():
        return min((data_folder() / "Set5").iterdir())
    return tour.scratch / "pictures" / "cat.png" if tour.options.tiny else bundled_picture()


def bundled_picture() -> Path:
    """Return a photograph that scikit-image bundles."""
    skimage = importlib.util.find_spec("skimage")
    assert skimage is not None
    assert skimage.origin is not None
    return Path(skimage.origin).parent / "data" / "chelsea.png"


def small_pictures(tour: Tour) -> dict[str, list[str]]:
    """Return the arguments that choose a folder with one small picture, for what needs no more."""
    place = tour.scratch / "pictures"
    if not place.exists():
        place.mkdir()
        with Image.open(bundled_picture()) as picture:
            picture.crop((120, 80, 216, 176)).save(place / "cat.png")
    return {
        "data": ["data=folder", f"data.path={place}"],
        "testset": ["testset=folder", f"testset.folder.path={place}"],
    }


def pixels(path: Path) -> np.ndarray:
    """Return the pixels of a picture as signed numbers."""
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)
