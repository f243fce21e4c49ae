"""The choices of one word that configs have."""

from enum import Enum


class Colour(Enum):
    """What a network sees: luma, or all three channels."""

    y = "y"
    rgb = "rgb"


class Precision(Enum):
    """Number type of the layers in training."""

    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"
    fp16 = "fp16"


class UpscalePrecision(Enum):
    """Number type of the layers of a network that is used."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


class ExportFormat(Enum):
    """What kind of file a model leaves in."""

    safetensors = "safetensors"
    onnx = "onnx"
    torch_export = "torch_export"
    spandrel = "spandrel"


class ExportPrecision(Enum):
    """Number type of the layers of an exported network."""

    fp32 = "fp32"
    fp16 = "fp16"


class Picture(Enum):
    """What an exported program takes and gives: what the network sees, or RGB."""

    own = "own"
    rgb = "rgb"
