"""Choices of one word, on the command line and below it; each is the string that it is called."""

from enum import StrEnum


class Colour(StrEnum):
    """What a network sees: luma, or all three channels."""

    y = "y"
    rgb = "rgb"


class Protocol(StrEnum):
    """How an upscaler is judged; ``evaluation.score`` says what each is."""

    matlab = "matlab"
    vdsr = "vdsr"
    basicsr = "basicsr"


class Precision(StrEnum):
    """Number type of the layers in training."""

    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"
    fp16 = "fp16"


class UpscalePrecision(StrEnum):
    """Number type of the layers of a network that is used."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


class Effort(StrEnum):
    """How much is computed for a picture, where srlab chooses the model."""

    fast = "fast"
    balanced = "balanced"
    best = "best"


class ExportFormat(StrEnum):
    """What kind of file a model leaves in."""

    safetensors = "safetensors"
    onnx = "onnx"
    torch_export = "torch_export"
    spandrel = "spandrel"


class ExportPrecision(StrEnum):
    """Number type of the layers of an exported network."""

    fp32 = "fp32"
    fp16 = "fp16"


class Picture(StrEnum):
    """What an exported program takes and gives: what the network sees, or RGB."""

    own = "own"
    rgb = "rgb"


class PictureFormat(StrEnum):
    """What kind of file a larger picture becomes; two words for what has two."""

    png = "png"
    jpeg = "jpeg"
    jpg = "jpg"
    webp = "webp"
    tiff = "tiff"
    tif = "tif"
    gif = "gif"
    bmp = "bmp"
