"""srlab: super-resolution networks whose upsampling is a choice, not an accident.

What a notebook wants is here: ``model = srlab.load("compact_x3")``, or a run folder, then
``model(lr)`` maps ``(N, C, H, W)`` to ``(N, C, s H, s W)``, both in ``[0, 1]``.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "load": "srlab.assembly.checkpoints",
    "load_checkpoint": "srlab.assembly.checkpoints",
    "ESPCN": "srlab.models.espcn",
    "Compact": "srlab.models.compact",
    "SRCNN": "srlab.models.srcnn",
    "FSRCNN": "srlab.models.fsrcnn",
    "VDSR": "srlab.models.vdsr",
    "EDSR": "srlab.models.edsr",
    "UNet": "srlab.models.unet",
    "PixelShuffle": "srlab.upsamplers.pixel_shuffle",
    "Deconv": "srlab.upsamplers.deconv",
    "ResizeConv": "srlab.upsamplers.resize_conv",
    "Interpolate": "srlab.upsamplers.interpolation",
    "Staged": "srlab.upsamplers.staged",
    "Boxed": "srlab.upsamplers.boxed",
    "Unpool": "srlab.upsamplers.unpool",
    "CARAFE": "srlab.upsamplers.carafe",
    "subpixel_form": "srlab.upsamplers.linear",
    "transposed_form": "srlab.upsamplers.linear",
    "simplify": "srlab.upsamplers.simplify",
    "luma": "srlab.imaging.colour",
    "enlarge": "srlab.imaging.resample",
    "shrink": "srlab.imaging.resample",
    "stretch": "srlab.imaging.resample",
    "psnr": "srlab.metrics.psnr",
    "ssim": "srlab.metrics.ssim",
    "kernel_ripple": "srlab.metrics.checkerboard",
    "picture_ripple": "srlab.metrics.checkerboard",
    "spectral_ratio": "srlab.metrics.checkerboard",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that the command line starts without torch."""
    if name not in _NAMES:
        raise AttributeError(f"module 'srlab' has no attribute {name!r}")
    return getattr(import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return ["__version__", *_NAMES]
