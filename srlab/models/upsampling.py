"""How a network calls its upsampler, whichever it is, and what is around the picture."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import REACH, Framed, interpolate, mirror_pad

Border = Literal["mirror", "zeros"]


def set_border(body: nn.Module, border: Border) -> bool:
    """Let each convolution of a body pad with zeros if that is its border; return whether it is.

    Raises:
        ValueError: The border is unknown.
    """
    if border not in ("mirror", "zeros"):
        raise ValueError(f"border must be mirror or zeros, got {border!r}")
    for layer in body.modules() if border == "zeros" else ():
        if isinstance(layer, nn.Conv2d):
            rows, columns = layer.kernel_size
            layer.padding = (rows // 2, columns // 2)
    return border == "zeros"


def halo_of(upsampler: nn.Module) -> int:
    """Return the frame, in low-resolution pixels, that an upsampler uses up.

    Raises:
        ValueError: It does not say.
    """
    halo = getattr(upsampler, "halo", None)
    if not isinstance(halo, int) or halo < 0:
        raise ValueError(
            f"the upsampler {type(upsampler).__name__} needs an attribute halo: how many pixels "
            f"of its input's frame it uses up on each side"
        )
    return halo


def is_guided(upsampler: nn.Module) -> bool:
    """Tell whether an upsampler takes a guide beside its input."""
    return bool(getattr(upsampler, "guided", False))


def is_whole(upsampler: nn.Module) -> bool:
    """Tell whether an upsampler's output depends on the size of the picture."""
    return bool(getattr(upsampler, "whole", False))


def picture_reach(upsampler: nn.Module, spare: int = 0) -> int:
    """Return the frame of the network's input that ``upsample`` looks at, leaving ``spare``."""
    return spare + halo_of(upsampler) + (REACH["bicubic"] if is_guided(upsampler) else 0)


def guide_reach(upsampler: nn.Module) -> int:
    """Return the frame of the network's input that the guide needs: none without a guide."""
    return picture_reach(upsampler) if is_guided(upsampler) else 0


def upsample(
    upsampler: nn.Module, features: Framed, picture: Framed, scale: int, spare: int = 0
) -> Tensor:
    """Enlarge features, and leave a frame of ``spare`` of their pixels.

    A guided upsampler borrows its guide from the network's input, enlarged by bicubic.

    Args:
        upsampler: The upsampler.
        features: ``(N, i, H, W)``, framed.
        picture: The network's input ``(N, C, H, W)``, framed.
        scale: The factor s.
        spare: Low-resolution pixels of frame that the result keeps.

    Returns:
        ``(N, o, s (H + 2 spare), s (W + 2 spare))``.
    """
    if is_whole(upsampler):
        return mirror_pad(upsampler(features.within(0)), scale * spare)
    frame = spare + halo_of(upsampler)
    framed = features.within(frame)
    if not is_guided(upsampler):
        return upsampler(framed)
    small = picture.within(frame + REACH["bicubic"]).mean(dim=1, keepdim=True)
    return upsampler(framed, interpolate(small, scale, "bicubic"))


def upsample_zero_padded(
    upsampler: nn.Module, features: Tensor, picture: Framed, scale: int
) -> Tensor:
    """Enlarge features that have no frame, ``(N, i, H, W)``; it is made of zeros; see ``upsample``.

    The border of networks whose convolutions pad with zeros too.
    """
    frame = halo_of(upsampler)
    padded = Framed(F.pad(features, [frame] * 4), frame)
    return upsample(upsampler, padded, picture, scale)
