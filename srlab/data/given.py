"""Pairs that are brought along: matched by name, measured against each other, moved if asked."""

import re
from collections import defaultdict
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srlab.data.images import ImageSet, refusal
from srlab.errors import UserError
from srlab.imaging.colour import luma, quantise, to_channels
from srlab.imaging.files import bits_of, list_images, read_pixels, size_of, to_tensor
from srlab.imaging.resample import crop_to_multiple, shrink
from srlab.words import Colour

# What tells LR from HR in a name, set off at its beginning or end.
_MARK = re.compile(r"(?i)^(?:x[2-9]|lr|hr)[ _.-]|(?:[ _.-](?:x[2-9]|lr|hr))+$|(?<=.)x[2-9]$")
_MEASURED = 8  # pairs
_LEAST_SIDE = 16  # LR pixels
_SOFT = 2.0  # LR pixels
_SHIFT, _GAIN, _LEVEL = 0.1, 0.01, 2  # what is beneath is not told
_LEAST_DETAIL = 1e-3  # rms of fine structures, of 1: less tells of no place


def pairs(lr: str, hr: str, scale: int, align: bool = False) -> ImageSet:
    """Return the pairs of two folders, matched by the names of their files.

    Where a picture has 16 bits for each channel, all are read as such.

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
    files = [list_images(Path(place).expanduser()) for place in (lr, hr)]
    alike = {path.stem for path in files[0]} & {path.stem for path in files[1]}
    low, high = (_by_name(paths, alike) for paths in files)
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
        raise refusal(faults, f"so {lr} and {hr} are no pairs")
    name = f"{Path(hr).expanduser().resolve().name}/"
    paths = tuple(path for _, path in both)
    bits = max(bits_of(path) for one in both for path in one)
    return ImageSet(name, paths, low=tuple(path for path, _ in both), bits=bits, aligned=align)


def _by_name(paths: list[Path], alike: set[str]) -> dict[str, list[Path]]:
    """Return files by their names: as they are where both folders have them, else without marks."""
    found = defaultdict(list)
    for path in paths:
        name = path.stem if path.stem in alike else _MARK.sub("", path.stem) or path.stem
        found[name].append(path)
    return dict(found)


def _wrong_size(low: Path, high: Path, scale: int) -> str | None:
    """Say what is wrong with the sizes of a pair; None if nothing is."""
    try:
        (w, h), (width, height) = size_of(low), size_of(high)
    except UserError as error:
        return str(error)
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
        at_grey = 255 * (self.offset + (self.gain - 1) / 2)  # what a middle grey is off by
        level = f"is {abs(at_grey):.0f} levels {'brighter' if at_grey > 0 else 'darker'}"
        said_level = level if abs(at_grey) >= _LEVEL and not gain else ""
        return " and ".join(filter(None, (sits, gain, said_level))) or None


@lru_cache
def misfit(images: ImageSet, scale: int) -> Misfit:
    """Measure given LR against bicubic LR of the same HR: the medians over up to 8 pairs.

    The shift by phase correlation to 0.05 pixels (Guizar-Sicairos et al., Opt. Lett. 33, 2008, as
    scikit-image has it), then gain and offset by least squares, of soft structures alone: of fine
    ones a shift that is a little off takes contrast away.
    """
    step = max(1, len(images.paths) // _MEASURED)
    found = []
    for low, high in list(zip(images.low, images.paths, strict=True))[::step][:_MEASURED]:
        with suppress(UserError):  # which is told where it is read
            lr, hr = (to_tensor(read_pixels(path, images.bits)) for path in (low, high))
            found.append(_measured(lr, hr, scale))
    known = [one for one in found if one is not None]
    return Misfit(*np.median(np.array(known), axis=0).tolist()) if known else Misfit(0, 0, 1, 0)


def _measured(lr: Tensor, hr: Tensor, scale: int) -> Misfit | None:
    """Measure a pair ``(1, C, H, W)``; None where it is too small or too flat to tell."""
    from scipy.ndimage import gaussian_filter, shift  # which take as long to import as Hydra
    from skimage.registration import phase_cross_correlation

    made = shrink(crop_to_multiple(luma(hr), scale), scale)[0, 0].numpy()
    given = luma(lr)[0, 0].numpy()
    if min(made.shape) < _LEAST_SIDE:
        return None
    window = np.outer(*(np.hanning(side) for side in made.shape))  # or the edges would match, too
    fine = [window * (picture - gaussian_filter(picture, _SOFT)) for picture in (made, given)]
    if min(float(picture.std()) for picture in fine) < _LEAST_DETAIL:
        return None
    back, _, _ = phase_cross_correlation(*fine, upsample_factor=20, normalization=None)
    up, left = map(float, back)
    placed = shift(given, (up, left), order=3, mode="nearest")
    edge = min(3 + int(max(abs(up), abs(left))), min(made.shape) // 4)
    inner = (slice(edge, -edge),) * 2
    x, y = (gaussian_filter(picture, _SOFT)[inner].ravel() for picture in (made, placed))
    gain = float(np.cov(x, y)[0, 1] / x.var(ddof=1)) if x.std() > _LEAST_DETAIL else 1.0
    return Misfit(-up, -left, gain, float(y.mean() - gain * x.mean()))


def given_low(images: ImageSet, number: int, scale: int, colour: Colour) -> Tensor:
    """Read a given LR ``(1, C, H, W)``; moved back where the set is to be aligned."""
    bits = images.bits
    lr = to_channels(to_tensor(read_pixels(images.low[number], bits)), colour, bits)
    if not images.aligned:
        return lr
    from scipy.ndimage import shift

    moved = misfit(images, scale)
    back = shift(lr.numpy(), (0, 0, -moved.down, -moved.right), order=3, mode="nearest")
    return quantise((torch.from_numpy(back) - moved.offset) / moved.gain, bits)
