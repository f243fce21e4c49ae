"""Number types: what layers compute in, and what single precision means on a GPU."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from srlab.words import Precision


class _Float32(NamedTuple):
    """What float32 is to cuDNN's convolutions and recurrent layers, and in products of matrices.

    ``older`` is torch's older switch of the products, None where it contradicts the newer ones.
    """

    convolutions: str
    recurrent: str
    products: str
    products_on_cpu: str
    older: str | None


_EXACT = _Float32("ieee", "ieee", "ieee", "ieee", "highest")
_TF32 = _Float32("tf32", "tf32", "tf32", "ieee", "high")
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def layer_type(precision: str) -> torch.dtype:
    """Return the type that layers compute in: float32 for ``fp32`` and ``tf32``, else half."""
    return _HALF.get(precision, torch.float32)


def autocast_to(kind: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which layers compute in ``kind``; float32 leaves them as they are."""
    if kind == torch.float32:
        return nullcontext()
    # A cache of cast weights would outlive the recording of a graph; each is used once anyway.
    return torch.autocast(device.type, dtype=kind, cache_enabled=False)


@contextmanager
def single_precision(kind: Literal["ieee", "tf32"] = "ieee") -> Iterator[None]:
    """Let float32 on CUDA be that, or TF32, while the body runs; the CPU does not care.

    torch's default is TF32 in convolutions: 10 bits of mantissa for their inputs. It is a setting
    of the whole process, so bodies must not overlap in several threads or generators.
    """
    usual = _float32_types()
    _set_float32_types(_EXACT if kind == "ieee" else _TF32)
    try:
        yield
    finally:
        _set_float32_types(usual)


@contextmanager
def training_arithmetic(precision: Precision) -> Iterator[None]:
    """Let a training compute in float32, or in TF32 if asked, and to the same bits each time.

    cuDNN has algorithms that add up in any order; a run that was killed could not go on to the same
    bits by them.
    """
    usual = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        with single_precision("tf32" if precision == "tf32" else "ieee"):
            yield
    finally:
        torch.backends.cudnn.deterministic = usual


def compute_exactly() -> None:
    """Let float32 on CUDA be IEEE single precision in this process from now on, not TF32."""
    _set_float32_types(_EXACT)


def cast_layers(network: nn.Module, kind: torch.dtype) -> None:
    """Cast, once, the weights of the layers that autocast to ``kind`` would cast at each call."""
    for module in network.modules() if kind in _HALF.values() else ():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            module.to(kind)


def _float32_types() -> _Float32:
    backends: Any = torch.backends  # what they have of these, their types do not say
    try:
        older = torch.get_float32_matmul_precision()
    except RuntimeError:
        older = None
    return _Float32(
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
        backends.cuda.matmul.fp32_precision,
        backends.mkldnn.matmul.fp32_precision,
        older,
    )


def _set_float32_types(kinds: _Float32) -> None:
    """Set them; the older switches first, in which torch itself looks them up."""
    backends: Any = torch.backends
    backends.cudnn.allow_tf32 = kinds.convolutions == "tf32"
    backends.cudnn.conv.fp32_precision = kinds.convolutions
    backends.cudnn.rnn.fp32_precision = kinds.recurrent
    if kinds.older is not None:
        torch.set_float32_matmul_precision(kinds.older)
    backends.cuda.matmul.fp32_precision = kinds.products
    backends.mkldnn.matmul.fp32_precision = kinds.products_on_cpu
