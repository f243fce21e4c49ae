"""Which papers have a network."""

from typing import Any


def method_of(model: dict[str, Any]) -> str | None:
    """Return the paper's name for a model config, or None if no paper has just this network."""
    upsampler = model.get("upsampler") or {}
    kind = str(model.get("_target_", "")).rpartition(".")[2]
    head = str(upsampler.get("_target_", "")).rpartition(".")[2]
    if model.get("residual", "none") != "none":
        return None
    if kind == "EDSR" and head == "Staged" and model.get("channels") == 3:
        size = [model.get(key) for key in ("blocks", "features", "block_scale")]
        stage = str(upsampler.get("stage", {}).get("_target_", "")).rpartition(".")[2]
        return "EDSR-baseline" if size == [16, 64, 1.0] and stage == "PixelShuffle" else None
    if model.get("channels") != 1:
        return None
    if kind == "Plain" and head == "Interpolate":
        return str(upsampler.get("mode"))
    if kind == "SRCNN" and head == "Interpolate" and upsampler.get("mode") == "bicubic":
        return f"SRCNN {model.get('kernels')}"
    if kind == "ESPCN" and head == "PixelShuffle" and upsampler.get("kernel_size") == 3:
        return f"ESPCN {model.get('activation')}"
    if kind == "FSRCNN" and head == "Deconv" and upsampler.get("kernel_size") == 9:
        size = [model.get(key) for key in ("features", "shrunk", "depth")]
        return "FSRCNN" if size == [56, 12, 4] else None
    if kind == "VDSR" and head == "Interpolate" and upsampler.get("mode") == "bicubic":
        return "VDSR" if [model.get("depth"), model.get("features")] == [20, 64] else None
    return None
