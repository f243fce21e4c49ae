"""Number types: what layers compute in, and what single precision means on a GPU."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

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


def in_single(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return ``function(*inputs)``, in single precision where autocast has layers compute in bf16.

    bf16 has 8 bits of mantissa, as few as the picture has: what is computed of the picture itself,
    and what writes it, would be rounded to its levels.
    """
    kind = inputs[0].device.type
    known = torch.amp.is_autocast_available(kind)  # of the meta device nothing is
    if not known or not torch.is_autocast_enabled(kind):
        return function(*inputs)
    if torch.get_autocast_dtype(kind) != torch.bfloat16:
        return function(*inputs)
    with torch.autocast(kind, enabled=False):
        return function(*(x.float() for x in inputs))


class ExactEnds(nn.Sequential):
    """Layers in turn, some of which stay in single precision where the others are in bf16.

    Shapes: those of the layers. The last, an activation, is always exact.

    Args:
        layers: The layers by their names.
        exact: How many, the first, stay in single precision.
    """

    def __init__(self, layers: "OrderedDict[str, nn.Module]", exact: int = 0):
        super().__init__(layers)
        self.exact = exact

    def forward(self, x: Tensor) -> Tensor:
        """Run the layers."""
        for number, layer in enumerate(self):
            exact = number < self.exact or number == len(self) - 1
            x = in_single(layer, x) if exact else layer(x)
        return x


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


def cast_layers(network: nn.Module, kind: torch.dtype, exact: nn.Module | None = None) -> None:
    """Cast, once, the weights of the layers that autocast to ``kind`` would cast at each call.

    Args:
        network: The network.
        kind: Their type.
        exact: What is left in single precision if it is bf16 (see ``in_single``).
    """
    kept = set(exact.modules()) if exact is not None and kind == torch.bfloat16 else set()
    for module in network.modules() if kind in _HALF.values() else ():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear) and module not in kept:
            if kind == torch.bfloat16 and isinstance(module, nn.modules.conv._ConvNd):
                module.weight.data = rounded_kernels(module.weight.data, kind)
            module.to(kind)


def rounded_kernels(weight: Tensor, kind: torch.dtype) -> Tensor:
    """Round kernels ``(O, I, ...)`` to numbers of a half type so that the sum of each is kept.

    To the nearest, each sum is off by what its weights are off by chance, and flat areas come out
    too bright or too dark: in bf16 0.1 dB of a network of ten layers. Here each weight, the largest
    first, takes over what those before it were off by.
    """
    kernels = weight.flatten(0, 1).flatten(1)
    order = kernels.abs().argsort(dim=1, descending=True)
    sorted_ = kernels.gather(1, order)
    off = torch.zeros_like(sorted_[:, 0])
    for k in range(sorted_.shape[1]):
        wanted = sorted_[:, k] + off
        sorted_[:, k] = wanted.to(kind).to(weight)
        off = wanted - sorted_[:, k]
    rounded = torch.empty_like(kernels).scatter_(1, order, sorted_)
    return torch.empty_like(weight).copy_(rounded.view_as(weight))


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
