"""Pairs: the LR and HR of whole images, by the protocol of the published tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from srlab.console.progress import show_progress
from srlab.data.given import given_low
from srlab.data.images import ImageSet, refusal
from srlab.degradations.degradation import BICUBIC, Degradation, picture_key
from srlab.errors import OutOfMemory, UserError
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, resize, shrink
from srlab.imaging.sizes import quotient, whole
from srlab.machine.threads import map_in_threads
from srlab.words import Colour, Protocol

AS_GIVEN = "as given"  # what made LR that a set brings along
_ONE_IN = 10  # images may be left out of a training: one in so many, or one


@dataclass(frozen=True)
class Pair:
    """One test image: ``lr (H, W, C)`` and ``hr (sH, sW, C)``, uint8, or uint16 of 16-bit pairs.

    ``lr`` that is not rounded is float32, of 0 to 255. A greyscale picture keeps the one
    channel of its ``hr`` also where the network sees RGB, unless it is judged as RGB. ``made_by``
    says what made ``lr``.
    """

    name: str
    lr: np.ndarray
    hr: np.ndarray
    made_by: str = BICUBIC

    @property
    def bits(self) -> int:
        """Of each channel, 8 or 16."""
        return 8 * self.hr.itemsize


def read_pairs(
    images: ImageSet,
    scale: float,
    colour: Colour,
    min_side: int,
    protocol: Protocol = Protocol.matlab,
    degradation: Degradation | None = None,
) -> list[Pair]:
    """Decode a test set and degrade it.

    HR is converted to Y where ``colour`` is ``y``, rounded, cropped to a multiple of the scale (of
    p where it is p/q); LR is MATLAB's bicubic of it, rounded to 8 bits. By ``vdsr`` LR is neither
    rounded nor clamped; by ``basicsr`` both are RGB whatever the network sees, and a greyscale
    picture is, too. A
    degradation sees the picture as it is, rounds, and is converted then. LR that a set brings along
    is taken as it is; of 16 bits, all is rounded to them instead of 8. Of a set with a ``crop`` the
    middle is read; it is never too small to be judged by the crop.

    Raises:
        UserError: A file is unreadable, or a side is under ``min_side`` HR pixels.
        ValueError: A degradation is by a scale that is not whole.
    """
    factor = quotient(scale)
    side = max(images.crop, min_side + factor.numerator) if images.crop else 0
    colour = Colour.rgb if protocol == Protocol.basicsr else colour
    low, bits = dict(zip(images.paths, images.low, strict=False)), images.bits
    made_by = AS_GIVEN if low else degradation.name if degradation else BICUBIC

    def read(name: str, path: Path) -> Pair:
        image = crop_to_multiple(_middle(_decoded(path, bits), side), factor.numerator)
        hr = to_channels(image, colour, bits)
        if min(hr.shape[-2:]) < min_side:
            needs = f"it needs {min_side} pixels a side"
            raise UserError(f"{path} is too small to be judged at scale {scale}: {needs}")
        grey = image.shape[1] == 1 and protocol != Protocol.basicsr
        if low:
            lr = to_channels(_decoded(low[path], bits), colour, bits)
        elif degradation is not None:
            lr = to_channels(degradation(image, whole(scale), picture_key(name)), colour)
        else:
            lr = shrink(hr, factor)
        levels = _levels(lr) if protocol == Protocol.vdsr else to_pixels(lr, bits)
        return Pair(name, levels, to_pixels(image if grey else hr, bits), made_by)

    return list(map_in_threads(lambda item: read(*item), images.named.items()))


def _decoded(path: Path, bits: int) -> Tensor:
    return to_tensor(read_pixels(path, bits))


def _middle(image: Tensor, side: int) -> Tensor:
    """Return the middle of an image ``(1, C, H, W)``, at most ``side`` pixels a side; 0: all."""
    height, width = (min(length, side or length) for length in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]


def _levels(image: Tensor) -> np.ndarray:
    """Turn ``(1, C, H, W)`` in ``[0, 1]`` into float32 levels ``(H, W, C)``, not rounded."""
    return (image[0] * 255).float().permute(1, 2, 0).contiguous().numpy()


def training_pairs(
    images: ImageSet,
    scale: int,
    colour: Colour,
    min_patch: int,
    faults: list[str],
    degradation: Degradation | None = None,
) -> Iterator[tuple[list[np.ndarray], np.ndarray, int]]:
    """Yield LR variants, HR pixels and part of a mixture of every image, at every shrink factor.

    Args:
        images: The data set.
        scale: The factor s.
        colour: ``y`` or ``rgb``.
        min_patch: The LR patch size that every image must hold.
        faults: Gets a line for each image that cannot be used.
        degradation: What makes LR of HR; None: MATLAB's bicubic, of one variant.

    Raises:
        UserError: With these lines, if they are too many.
    """
    count, bits = len(images.paths), images.bits
    most, passing = max(1, count // _ONE_IN), False
    for number, path in enumerate(images.paths):
        show_progress(f"decoding {images.name}: {number + 1}/{count}")
        try:
            whole = _decoded(path, bits)
            whole = whole if degradation else to_channels(whole, colour, bits)
            _check_size(path, whole, scale, min_patch)
            given = [given_low(images, number, scale, colour)] if images.low else []
        except UserError as error:
            faults.append(str(error))
            passing |= _may_pass(error)
            continue
        refused = passing or len(faults) > most  # nothing is written: the others are looked at
        for factor in images.shrink if not refused else ():
            hr = crop_to_multiple(_shrunk(whole, factor), scale)
            if min(hr.shape[-2:]) < min_patch * scale:
                continue
            variants = given or _variants(hr, scale, colour, degradation, f"{path.name} {factor}")
            small = [to_pixels(lr, bits) for lr in variants]
            yield small, to_pixels(to_channels(hr, colour, bits), bits), images.part_of(number)
    show_progress("")
    if passing or len(faults) > most or len(faults) == count:
        raise refusal(faults, _what_to_do(len(faults), count))


def _what_to_do(lost: int, count: int) -> str:
    return (
        f"so {lost} of the {count} pictures cannot be trained on: leave them out or, where they "
        f"are too small, lower trainer.patch_size, in trainer.phases, too"
    )


def _shrunk(whole: Tensor, factor: float) -> Tensor:
    if factor >= 1:
        return whole
    height, width = (round(n * factor) for n in whole.shape[-2:])
    return quantise(resize(whole, height, width))


def _variants(
    hr: Tensor, scale: int, colour: Colour, degradation: Degradation | None, name: str
) -> Iterator[Tensor]:
    """Yield what is made of HR ``(1, C, sH, sW)``, rounded to 8 bits, as the network sees it."""
    if degradation is None:
        yield quantise(shrink(hr, scale))
        return
    for variant in range(degradation.variants):
        try:
            yield to_channels(degradation(hr, scale, picture_key(name), variant), colour)
        except UserError as error:
            raise UserError(f"{name.rpartition(' ')[0]}: {error}") from None


def _may_pass(error: UserError) -> bool:
    """Tell whether a picture may be read another time: it must not be missing for good."""
    cause = error.__context__
    system = isinstance(cause, OSError) and cause.errno is not None  # decoders give no number
    return system or isinstance(error, OutOfMemory)


def _check_size(path: Path, image: Tensor, scale: int, min_patch: int) -> None:
    height, width = image.shape[-2:]
    if min(height // scale, width // scale) < min_patch:
        raise UserError(
            f"{path} is {width}x{height}, too small for patches of {min_patch}x{min_patch} at "
            f"scale {scale}, which need {min_patch * scale} pixels a side"
        )
