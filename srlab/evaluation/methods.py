"""Which papers have a network, so that published figures can stand beside ours."""

import re
from typing import Any, NamedTuple


class Method(NamedTuple):
    """A network of a paper.

    Args:
        name: What the paper calls it; ``{key}`` stands for a value of its config.
        config: The values, by dotted keys, that make it that network; of ``_target_`` the class; a
            tuple is of values any of which does.
    """

    name: str
    config: dict[str, Any]


_WIDTHS = (None, [64, 32])  # of SRCNN and ESPCN; the first configs did not name them

METHODS = (
    Method("{upsampler.mode}", {
        "_target_": "Plain", "channels": 1, "upsampler._target_": "Interpolate",
    }),
    Method("SRCNN {kernels}", {
        "_target_": "SRCNN", "channels": 1, "features": _WIDTHS,
        "upsampler._target_": "Interpolate", "upsampler.mode": "bicubic",
    }),
    Method("ESPCN {activation}", {
        "_target_": "ESPCN", "channels": 1, "features": _WIDTHS,
        "upsampler._target_": "PixelShuffle", "upsampler.kernel_size": 3,
    }),
    Method("FSRCNN", {
        "_target_": "FSRCNN", "channels": 1, "features": 56, "shrunk": 12, "depth": 4,
        "upsampler._target_": "Deconv", "upsampler.kernel_size": 9,
    }),
    Method("VDSR", {
        "_target_": "VDSR", "channels": 1, "depth": 20, "features": 64,
        "upsampler._target_": "Interpolate", "upsampler.mode": "bicubic",
    }),
    Method("CSC-SR", {"_target_": "CSCSR", "channels": 1}),
    Method("CSCN", {
        "_target_": "SCN", "channels": 1, "atoms": 128, "recursions": 1,
        "upsampler._target_": "Interpolate", "upsampler.mode": "bicubic",
    }),
    Method("EDSR-baseline", {
        "_target_": "EDSR", "channels": 3, "blocks": 16, "features": 64, "block_scale": 1.0,
        "upsampler._target_": "Staged", "upsampler.stage._target_": "PixelShuffle",
    }),
)  # fmt: skip


def method_of(model: dict[str, Any]) -> str | None:
    """Return the paper's name for a model config, or None if no paper has this network.

    Of CSC-SR and CSCN it is the method, smaller than the paper's and without its cascade: the
    source of their figures says so.
    """
    if model.get("residual", "none") != "none":
        return None
    for method in METHODS:
        if all(_is(_value(model, key), wanted) for key, wanted in method.config.items()):
            return re.sub(r"{(.+?)}", lambda key: str(_value(model, key[1])), method.name)
    return None


def _is(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, tuple) else value == wanted


def _value(node: Any, key: str) -> Any:
    """Return the value of a dotted key, None if there is none."""
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return str(node).rpartition(".")[2] if key.endswith("_target_") else node
