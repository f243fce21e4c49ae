"""Pairs that are brought along: matched by name, measured against each other, moved if asked."""

import re
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as moved_by
from skimage.registration import phase_cross_correlation
from torch import Tensor

from srlab.data.images import ImageSet
from srlab.errors import UserError
from srlab.imaging.colour import luma, quantise, to_channels
from srlab.imaging.files import list_images, read_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, shrink
from srlab.words import Colour

# What tells LR from HR in a name, set off at its beginning or end.
_MARK = re.compile(r"(?i)^(?:x[2-9]|lr|hr)[ _.-]|[ _.-](?:x[2-9]|lr|hr)(?=$|[ _.-])|(?<=.)x[2-9]$")
_MOST_TOLD = 20
_MEASURED = 8  # pairs
_SOFT = 2.0  # LR pixels
_SHIFT, _GAIN = 0.1, 0.01  # what is beneath is not told


def pairs(lr: str, hr: str, scale: int, align: bool = False) -> ImageSet:
    """Return the pairs of two folders, matched by the names of their files.

    Names are equal, or would be without ``x2`` to ``x9``, ``LR`` and ``HR`` set off at their
    beginning or end, as in ``0001x2.png`` and ``0001.png``.

    Args:
        lr: The folder of low resolution.
        hr: That of high resolution.
        scale: The factor s: HR has s times the pixels of LR, up to s - 1 more.
        align: Whether a training gets LR moved to where bicubic shrinking puts it.

    Raises:
        UserError: A folder is missing or empty, or files have no partner or the wrong size: all of
            them are told.
    """
    if not lr or not hr:
        raise UserError("pairs want two folders: lr=FOLDER and hr=FOLDER")
    low, high = (_by_name(Path(place).expanduser()) for place in (lr, hr))
    faults = [
        f"{' and '.join(map(str, paths))} have one name between them"
        for paths in (*low.values(), *high.values())
        if len(paths) > 1
    ]
    for these, those, what in ((low, high, "HR"), (high, low, "LR")):
        faults += [f"{these[name][0]} has no {what}" for name in these if name not in those]
    both = [(low[name][0], high[name][0]) for name in high if name in low]
    faults += [fault for one in both if (fault := _wrong_size(*one, scale))]
    if faults:
        more = [f"and {len(faults) - _MOST_TOLD} more"] if len(faults) > _MOST_TOLD else []
        so = f"so {lr} and {hr} are no pairs"
        raise UserError("\n".join([*faults[:_MOST_TOLD], *more, so]))
    name = f"{Path(hr).expanduser().resolve().name}/"
    paths = tuple(path for _, path in both)
    return ImageSet(name, paths, low=tuple(path for path, _ in both), aligned=align)


def _by_name(place: Path) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for path in list_images(place):
        found[_MARK.sub("", path.stem) or path.stem].append(path)
    return dict(found)


def _wrong_size(low: Path, high: Path, scale: int) -> str | None:
    """Say what is wrong with the sizes of a pair; None if nothing is."""
    try:
        with Image.open(low) as small, Image.open(high) as large:
            (w, h), (width, height) = small.size, large.size
    except OSError as error:
        return f"{low} and {high} cannot be read: {error}"
    if (width // scale, height // scale) == (w, h):
        return None
    of = [s for s in range(2, 17) if (width // s, height // s) == (w, h)]
    hint = f", but {of[0]} times" if of else ""
    return f"{high} is {width}x{height}, not {scale} times {low}, which is {w}x{h}{hint}"


class Misfit(NamedTuple):
    """How given LR differs from a bicubic one: where it sits, and what its levels are.

    Args:
        down: LR pixels by which it sits lower.
        right: By which it sits further right.
        gain: The factor on its contrast.
        offset: What is added to its levels, in ``[0, 1]``.
    """

    down: float
    right: float
    gain: float
    offset: float

    @property
    def told(self) -> str | None:
        """It in words; None where there is none to speak of."""
        ways = ((self.right, "to the left", "to the right"), (self.down, "higher", "lower"))
        said = [f"{abs(by):.1f} px {more if by > 0 else less}"
                for by, less, more in ways if abs(by) >= _SHIFT]  # fmt: skip
        sits = f"sits {' and '.join(said)}" if said else ""
        gain = f"has {self.gain:.2f} of the contrast" if abs(self.gain - 1) >= _GAIN else ""
        return " and ".join(filter(None, (sits, gain))) or None


@lru_cache
def misfit(images: ImageSet, scale: int) -> Misfit:
    """Measure given LR against bicubic LR of the same HR: the medians over up to 8 pairs.

    The shift by phase correlation to 0.05 pixels (Guizar-Sicairos et al., Opt. Lett. 33, 2008, as
    scikit-image has it), then gain and offset by least squares, of soft structures alone: of fine
    ones a shift that is a little off takes contrast away.
    """
    step = max(1, len(images.paths) // _MEASURED)
    some = list(zip(images.low, images.paths, strict=True))[::step][:_MEASURED]
    found = np.array([_measured(low, high, scale) for low, high in some])
    return Misfit(*np.median(found, axis=0).tolist())


def _measured(low: Path, high: Path, scale: int) -> Misfit:
    hr = crop_to_multiple(luma(to_tensor(read_pixels(high))), scale)
    made, given = shrink(hr, scale)[0, 0].numpy(), luma(to_tensor(read_pixels(low)))[0, 0].numpy()
    window = np.outer(*(np.hanning(side) for side in made.shape))  # or the edges would match, too
    fine = [window * (picture - gaussian_filter(picture, _SOFT)) for picture in (made, given)]
    back, _, _ = phase_cross_correlation(*fine, upsample_factor=20, normalization=None)
    up, left = map(float, back)
    edge = 3 + int(max(abs(up), abs(left)))
    placed = moved_by(given, (up, left), order=3, mode="nearest")
    made, placed = (gaussian_filter(picture, _SOFT) for picture in (made, placed))
    x, y = (picture[edge:-edge, edge:-edge].ravel() for picture in (made, placed))
    if x.size < 9 or not x.std():
        return Misfit(-up, -left, 1.0, 0.0)
    gain = float(np.cov(x, y)[0, 1] / x.var(ddof=1))
    return Misfit(-up, -left, gain, float(y.mean() - gain * x.mean()))


def given_low(images: ImageSet, number: int, scale: int, colour: Colour) -> Tensor:
    """Read a given LR ``(1, C, H, W)``, of 8 bits; moved back where the set is to be aligned."""
    lr = to_channels(to_tensor(read_pixels(images.low[number])), colour)
    if not images.aligned:
        return lr
    moved = misfit(images, scale)
    back = moved_by(lr.numpy(), (0, 0, -moved.down, -moved.right), order=3, mode="nearest")
    return quantise((torch.from_numpy(back) - moved.offset) / moved.gain)
