"""Choosing the device, and waiting for it."""

import torch

from srlab.errors import UserError
from srlab.machine import ranks
from srlab.machine.precision import compute_exactly
from srlab.words import Precision


def choose_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` names, set up for verbs.

    From then on float32 is single precision on a GPU, too: scores do not depend on the device.

    Raises:
        UserError: There is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and ranks.expected() > 1:
        name = f"cuda:{ranks.local_rank()}"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(f"device={name} is not here: torch sees {count} CUDA devices")
    compute_exactly()
    return device


def check_precision(key: str, precision: Precision, device: torch.device) -> None:
    """Check that a device gains by a number type.

    Args:
        key: What the choice is called.
        precision: The choice.
        device: The device.

    Raises:
        UserError: It does not.
    """
    if precision == Precision.fp32 or device.type == "cuda":
        return
    if precision != Precision.bf16:
        raise UserError(f"{key}={precision} needs CUDA, not {device}")
    if not multiplies_bf16():
        raise UserError(
            f"{key}=bf16 needs CUDA, or a processor with AVX512-BF16 or AMX-BF16: this one would "
            f"only be slower"
        )


def multiplies_bf16() -> bool:
    """Tell whether the processor has instructions that multiply bf16."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16"))


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
