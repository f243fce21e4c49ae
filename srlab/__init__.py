"""srlab: super-resolution networks whose upsampling is a choice, not an accident.

What a notebook wants is here: ``model = srlab.load("compact_x3")``, or a run folder, then
``model(lr)`` maps ``(N, C, H, W)`` to ``(N, C, s H, s W)``, both in ``[0, 1]``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Twice: for editors and type checkers, and by subject, to be imported when first used.
if TYPE_CHECKING:
    from srlab.assembly.checkpoints import load as load
    from srlab.assembly.checkpoints import load_checkpoint as load_checkpoint
    from srlab.imaging.colour import luma as luma
    from srlab.imaging.resample import enlarge as enlarge
    from srlab.imaging.resample import shrink as shrink
    from srlab.imaging.resample import stretch as stretch
    from srlab.metrics.checkerboard import kernel_ripple as kernel_ripple
    from srlab.metrics.checkerboard import picture_ripple as picture_ripple
    from srlab.metrics.checkerboard import spectral_ratio as spectral_ratio
    from srlab.metrics.psnr import psnr as psnr
    from srlab.metrics.ssim import ssim as ssim
    from srlab.models.compact import Compact as Compact
    from srlab.models.edsr import EDSR as EDSR
    from srlab.models.espcn import ESPCN as ESPCN
    from srlab.models.fsrcnn import FSRCNN as FSRCNN
    from srlab.models.span import SPAN as SPAN
    from srlab.models.srcnn import SRCNN as SRCNN
    from srlab.models.unet import UNet as UNet
    from srlab.models.vdsr import VDSR as VDSR
    from srlab.upsamplers.boxed import Boxed as Boxed
    from srlab.upsamplers.carafe import CARAFE as CARAFE
    from srlab.upsamplers.deconv import Deconv as Deconv
    from srlab.upsamplers.dysample import DySample as DySample
    from srlab.upsamplers.interpolation import Interpolate as Interpolate
    from srlab.upsamplers.liif import LIIF as LIIF
    from srlab.upsamplers.linear import subpixel_form as subpixel_form
    from srlab.upsamplers.linear import transposed_form as transposed_form
    from srlab.upsamplers.meta import MetaShuffle as MetaShuffle
    from srlab.upsamplers.pixel_shuffle import PixelShuffle as PixelShuffle
    from srlab.upsamplers.rep_shuffle import RepShuffle as RepShuffle
    from srlab.upsamplers.resize_conv import ResizeConv as ResizeConv
    from srlab.upsamplers.shuffle_tail import ShuffleTail as ShuffleTail
    from srlab.upsamplers.simplify import simplify as simplify
    from srlab.upsamplers.staged import Staged as Staged
    from srlab.upsamplers.tail import Tail as Tail
    from srlab.upsamplers.unpool import Unpool as Unpool

_NAMES = {
    # Networks from files
    "load": "srlab.assembly.checkpoints",
    "load_checkpoint": "srlab.assembly.checkpoints",
    # Networks
    "ESPCN": "srlab.models.espcn",
    "Compact": "srlab.models.compact",
    "SRCNN": "srlab.models.srcnn",
    "FSRCNN": "srlab.models.fsrcnn",
    "VDSR": "srlab.models.vdsr",
    "EDSR": "srlab.models.edsr",
    "SPAN": "srlab.models.span",
    "UNet": "srlab.models.unet",
    # Upsamplers, and what they compute
    "PixelShuffle": "srlab.upsamplers.pixel_shuffle",
    "Deconv": "srlab.upsamplers.deconv",
    "ResizeConv": "srlab.upsamplers.resize_conv",
    "Interpolate": "srlab.upsamplers.interpolation",
    "Staged": "srlab.upsamplers.staged",
    "Boxed": "srlab.upsamplers.boxed",
    "Unpool": "srlab.upsamplers.unpool",
    "CARAFE": "srlab.upsamplers.carafe",
    "DySample": "srlab.upsamplers.dysample",
    "Tail": "srlab.upsamplers.tail",
    "ShuffleTail": "srlab.upsamplers.shuffle_tail",
    "RepShuffle": "srlab.upsamplers.rep_shuffle",
    "MetaShuffle": "srlab.upsamplers.meta",
    "LIIF": "srlab.upsamplers.liif",
    "subpixel_form": "srlab.upsamplers.linear",
    "transposed_form": "srlab.upsamplers.linear",
    "simplify": "srlab.upsamplers.simplify",
    # Pictures
    "luma": "srlab.imaging.colour",
    "enlarge": "srlab.imaging.resample",
    "shrink": "srlab.imaging.resample",
    "stretch": "srlab.imaging.resample",
    # Measures
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
