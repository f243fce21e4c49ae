"""Small networks of every kind, for facts that hold for every network.

An option that changes which code runs has a variant; numbers of features and layers have not.
"""

from functools import partial

from torch import nn

from srlab.models.compact import Compact
from srlab.models.csc import CSC
from srlab.models.csc_sr import CSCSR
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.plain import Plain
from srlab.models.scn import SCN
from srlab.models.span import SPAN
from srlab.models.srcnn import SRCNN
from srlab.models.unet import UNet
from srlab.models.vdsr import VDSR
from srlab.testing.behaviour import disturb
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.staged import Staged
from srlab.upsamplers.unpool import Unpool

NEAREST = partial(Interpolate, mode="nearest")
DECONV_9X9 = partial(Deconv, kernel_size=9)
STAGES = partial(Staged, stage=PixelShuffle)
BOXED = partial(Boxed, inner=PixelShuffle)

# A network asks three things of an upsampler: its frame, whether it wants a guide, and whether it
# must see the picture whole. So each variant has its own upsampler and these two.
GUIDED = Unpool
WHOLE = partial(Interpolate, mode="bilinear", align_corners=True)

_espcn = partial(ESPCN, features=(8, 6))
_srcnn = partial(SRCNN, features=(8, 6))
_fsrcnn = partial(FSRCNN, features=6, shrunk=4)
_compact = partial(Compact, features=5)
_vdsr = partial(VDSR, depth=4, features=5)
_edsr = partial(EDSR, features=5)
_span = partial(SPAN, features=5)
_unet = partial(UNet, features=6)
_csc = partial(CSC, filters=6, kernel_size=3, iterations=2)
_csc_sr = partial(CSCSR, filters=4, iterations=3, block=8)

# name: (factory (upsampler, scale, channels) -> model, its own upsampler)
VARIANTS = {
    "plain": (Plain, Interpolate),
    "espcn": (_espcn, PixelShuffle),
    "espcn of relu + bicubic": (
        partial(_espcn, activation="relu", residual="bicubic"),
        partial(Deconv, kernel_size=4),
    ),
    "espcn + nearest": (partial(_espcn, residual="nearest"), partial(CARAFE, compressed=4)),
    "espcn as identity": (partial(_espcn, init="identity"), partial(ResizeConv, mode="bicubic")),
    "srcnn": (_srcnn, Interpolate),
    "srcnn 9-3-5 + nearest": (partial(_srcnn, kernels="9-3-5", residual="nearest"), NEAREST),
    "srcnn 9-5-5 + bicubic": (partial(_srcnn, kernels="9-5-5", residual="bicubic"), DECONV_9X9),
    "srcnn as identity": (partial(_srcnn, init="identity"), PixelShuffle),
    "fsrcnn": (partial(_fsrcnn, depth=2), DECONV_9X9),
    "fsrcnn of depth 0 + bicubic": (partial(_fsrcnn, depth=0, residual="bicubic"), BOXED),
    "fsrcnn as identity": (partial(_fsrcnn, depth=1, init="identity"), STAGES),
    "compact": (partial(_compact, depth=1), PixelShuffle),
    "compact of depth 0 + nearest": (
        partial(_compact, depth=0, residual="nearest", init="identity"),
        ResizeConv,
    ),
    "vdsr": (_vdsr, Interpolate),
    "vdsr as identity": (partial(_vdsr, init="identity"), PixelShuffle),
    "edsr": (partial(_edsr, blocks=2), STAGES),
    "edsr + bicubic": (partial(_edsr, blocks=1, residual="bicubic", block_scale=0.1), BOXED),
    "unet": (partial(_unet, depth=1), PixelShuffle),
    "unet of 2 levels + nearest": (partial(_unet, residual="nearest"), Deconv),
    "unet without skips": (partial(_unet, depth=1, skips=False), DECONV_9X9),
    "csc": (_csc, partial(Deconv, kernel_size=6)),
    "csc of tied filters": (partial(_csc, tied=True), PixelShuffle),
    "csc_sr": (_csc_sr, partial(Deconv, kernel_size=6)),
    "scn": (partial(SCN, atoms=24), Interpolate),
    "espcn among zeros": (partial(_espcn, border="zeros", residual="bicubic"), PixelShuffle),
    "srcnn among zeros": (partial(_srcnn, border="zeros", residual="nearest"), Interpolate),
    "fsrcnn among zeros": (partial(_fsrcnn, depth=1, border="zeros"), DECONV_9X9),
    "compact of branches among zeros": (
        partial(_compact, depth=1, block="rep", border="zeros"),
        PixelShuffle,
    ),
    "span": (partial(_span, blocks=2), PixelShuffle),
    "span of one block + nearest": (partial(_span, blocks=1, residual="nearest"), ResizeConv),
}


def variant(
    name: str, scale: int = 2, channels: int = 1, upsampler=None, disturbed: bool = True
) -> nn.Module:
    """Make a network in double precision; with its own upsampler if none is given.

    ``disturbed``: with noise on its weights, because what starts as zero may hide faults.
    """
    make, own = VARIANTS[name]
    model = make(upsampler or own, scale, channels).double().eval()
    if disturbed:
        disturb(model)
    return model
