"""What a machine is, as tables and files tell it."""

import platform
from pathlib import Path
from typing import Any

import torch

from srlab import __version__


def machine(device: torch.device) -> dict[str, Any]:
    """Return what a measurement on a device depends on besides its settings."""
    return {
        "srlab": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _processor(),
        "threads": torch.get_num_threads(),
    } | gpu_facts(device)


def describe_device(device: torch.device) -> str:
    """Return a device with what it is: its name, or the threads that torch takes."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device} ({threads} thread{'s' * (threads > 1)})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def gpu_facts(device: torch.device) -> dict[str, Any]:
    """Return what results depend on where they were computed on a GPU; ``gpu`` is None if not."""
    if device.type != "cuda":
        return {"gpu": None}
    return {
        "gpu": torch.cuda.get_device_name(device),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
