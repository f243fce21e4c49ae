"""Packs: a data set decoded and degraded once, then memory-mapped ever after.

A pack is a folder with two files: ``pixels.bin``, the pixels of all LR and HR images one after the
other, uint8 or, of 16-bit pairs, uint16, and ``index.npz``, which says where each one lies. It is
written under a temporary name and renamed, so that a pack is complete or absent.
"""

import hashlib
import os
import shutil
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srlab.data.images import ImageSet, refusal
from srlab.data.pairs import training_pairs
from srlab.data.tiles import errors_in, hardest_tiles
from srlab.degradations.degradation import Degradation
from srlab.errors import UserError
from srlab.imaging.colour import CHANNELS
from srlab.storage.atomic import atomic_folder, remove_abandoned
from srlab.storage.cache import cache_folder
from srlab.storage.digest import is_as_written
from srlab.words import Colour

_LAYOUT = 1  # raise it when the same source would give other pixels


@dataclass(frozen=True)
class Pack:
    """Aligned LR and HR images in one flat array.

    Args:
        pixels: All pixels, uint8 or uint16, each image ``(H, W, C)`` in row-major order.
        lr_offset: Where each LR image starts in ``pixels``; ``(n,)``.
        hr_offset: Where the HR image of each starts; ``(n,)``. Variants that a degradation made of
            one HR image follow each other, and it follows them.
        size: LR height and width of each image, ``(n, 2)``; the HR image is ``scale`` times that.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        fingerprint: SHA-256 of the pixels: what a resumed run compares.
        part: Which set of a mixture each image belongs to, ``(n,)``; None in packs of old.
        weights: How patches are shared among these sets; none: by their positions.
        tiles: Where the middles of patches lie, if not everywhere: ``(n, 5)``, number of the image,
            top, left, height and width in LR pixels.
        left_out: Why images of the set are not in it, a sentence for each.
    """

    pixels: np.ndarray
    lr_offset: np.ndarray
    hr_offset: np.ndarray
    size: np.ndarray
    scale: int
    channels: int
    fingerprint: str
    left_out: tuple[str, ...] = ()
    part: np.ndarray | None = None
    weights: tuple[float, ...] = ()
    tiles: np.ndarray | None = None

    @property
    def top(self) -> int:
        """The level of white."""
        return int(np.iinfo(self.pixels.dtype).max)

    def as_tensor(self) -> Tensor:
        """Return the pixels as a tensor on the CPU, mapped as they are; it must not be written."""
        with warnings.catch_warnings():  # torch cannot say that a tensor is for reading alone
            warnings.simplefilter("ignore")
            return torch.from_numpy(self.pixels)


def open_pack(
    images: ImageSet,
    scale: int,
    colour: Colour,
    min_patch: int,
    degradation: Degradation | None = None,
) -> Pack:
    """Open the pack of an image set, making it if it is not there.

    Args:
        images: The data set.
        scale: HR is cropped to a multiple of it; LR is MATLAB's bicubic, rounded to 8 bits.
        colour: ``y`` or ``rgb``.
        min_patch: The LR patch size that every image must hold. Shrunk copies that do not are left
            out; so are images that do not, or cannot be read, if they are a tenth at most, or one.
        degradation: What makes LR instead; each of its variants is an image of the pack, with the
            HR of the others.

    Raises:
        UserError: More are unreadable or too small, or the cache cannot be written.
    """
    described = "" if degradation is None else degradation.described
    place = cache_folder() / "packs" / _key(images, scale, colour, min_patch, described)
    pack = _load(place, scale, colour)
    if pack is None:
        remove_abandoned(place.parent)
        shutil.rmtree(place, ignore_errors=True)  # a power cut or somebody's tidying damaged it
        try:
            _build(place, images, scale, colour, min_patch, degradation)
        except OSError as error:
            raise UserError(
                f"cannot write the decoded images to {place.parent}: {error.strerror}; "
                f"set SRLAB_CACHE to a folder with space"
            ) from None
        pack = _load(place, scale, colour)
    if pack is None:
        raise UserError(f"cannot read back {place}: set SRLAB_CACHE to another folder")
    pack = replace(pack, weights=images.weights)
    return pack if images.hardest == 1 else _with_tiles(pack, place, min_patch, images.hardest)


def _with_tiles(pack: Pack, place: Path, side: int, share: float) -> Pack:
    """Let patches be drawn where bicubic errs most; the fingerprint tells where, too."""
    parts = np.zeros(len(pack.size), int) if pack.part is None else pack.part
    images = np.column_stack([parts, pack.hr_offset, pack.size])
    errors = errors_in(place, pack.pixels, images, pack.scale, pack.channels, side)
    tiles = hardest_tiles(errors, share)
    digest = hashlib.sha256(pack.fingerprint.encode() + tiles.tobytes())
    return replace(pack, tiles=tiles, fingerprint=digest.hexdigest())


def _load(place: Path, scale: int, colour: Colour) -> Pack | None:
    """Open a pack, or return None where there is no whole one."""
    try:
        with np.load(place / "index.npz") as index:
            pack = Pack(
                pixels=np.memmap(place / "pixels.bin", str(index.get("type", "uint8")), "r"),
                lr_offset=index["lr_offset"],
                hr_offset=index["hr_offset"],
                size=index["size"],
                scale=scale,
                channels=CHANNELS[colour],
                fingerprint=str(index["fingerprint"]),
                left_out=tuple(map(str, index.get("left_out", ()))),
                part=index.get("part"),
            )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    whole = _fills_its_pixels(pack) and is_as_written(place / "pixels.bin", pack.fingerprint)
    return pack if whole else None


def _fills_its_pixels(pack: Pack) -> bool:
    """Tell whether the images that the index names lie one after the other, and nothing else."""
    size = pack.size
    if size.dtype != np.int64 or size.shape[1:] != (2,) or not size.size or size.min() < 1:
        return False
    if pack.lr_offset.shape != (len(size),) or pack.hr_offset.shape != (len(size),):
        return False
    lr = size.prod(axis=1) * pack.channels
    hr = lr * pack.scale**2
    last = np.append(pack.hr_offset[1:] != pack.hr_offset[:-1], True)  # of the variants of an image
    ends = (lr + np.where(last, hr, 0)).cumsum()
    if not np.array_equal(pack.lr_offset, ends - lr - np.where(last, hr, 0)):
        return False
    there = np.array_equal(pack.hr_offset[last], (ends - hr)[last])
    return there and ends[-1] == len(pack.pixels)


def _key(images: ImageSet, scale: int, colour: Colour, patch: int, described: str) -> str:
    digest = hashlib.sha256(repr((_LAYOUT, images.shrink, scale, str(colour), patch)).encode())
    digest.update(described.encode())
    digest.update(f"aligned={images.aligned}".encode() if images.low else b"")
    digest.update(f"bits={images.bits}".encode() if images.bits > 8 else b"")
    digest.update(f"parts={images.parts}".encode() if images.parts else b"")
    for path in images.files:
        status = path.stat()
        facts = str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns
        digest.update(repr(facts).encode())
    return f"{images.name.rstrip('/')}-x{scale}-{colour}-{digest.hexdigest()[:16]}"


def _build(
    place: Path,
    images: ImageSet,
    scale: int,
    colour: Colour,
    min_patch: int,
    degradation: Degradation | None,
) -> None:
    try:
        with atomic_folder(place) as work:  # shared: several users may have one cache
            faults: list[str] = []
            pairs = training_pairs(images, scale, colour, min_patch, faults, degradation)
            found, fingerprint = _write_pixels(work / "pixels.bin", pairs)
            if len(set(found[:, 2])) < max(1, len(images.parts)):
                missing = set(range(len(images.parts))) - set(found[:, 2].tolist())
                which = f"set {min(missing) + 1} of " if missing else ""
                so = f"no image of {which}{images.name} is left"
                if faults:
                    raise refusal(faults, f"so {so}")
                by = f"shrunk by {list(images.shrink)}, all are too small for patches of"
                raise UserError(f"{so}: {by} {min_patch}x{min_patch} at scale {scale}")
            np.savez(
                work / "index.npz",
                lr_offset=found[:, 0],
                hr_offset=found[:, 1],
                part=found[:, 2],
                size=found[:, 3:],
                fingerprint=np.array(fingerprint),
                type=np.array(f"uint{images.bits}"),
                left_out=np.array(faults, dtype=np.str_),
            )
    except OSError:
        if not place.is_dir():  # else another process was faster with the same pack
            raise


def _write_pixels(
    place: Path, pairs: Iterable[tuple[list[np.ndarray], np.ndarray, int]]
) -> tuple[np.ndarray, str]:
    """Write them; return where LR and HR start, part and LR's size, ``(n, 5)``, and the SHA-256."""
    found, total, digest = [], 0, hashlib.sha256()
    with place.open("wb") as file:
        for variants, hr, part in pairs:
            end = total + sum(lr.size for lr in variants)
            for lr in variants:
                found.append((total, end, part, *lr.shape[:2]))
                total += lr.size
            total += hr.size
            for pixels in (*variants, hr):
                data = pixels.tobytes()
                file.write(data)
                digest.update(data)
        file.flush()
        os.fsync(file.fileno())
    return np.array(found, dtype=np.int64).reshape(-1, 5), digest.hexdigest()
