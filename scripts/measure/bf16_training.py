"""What training in bf16 changes: python scripts/measure/bf16_training.py SWEEP [OVERRIDE ...].

One sweep, in SWEEP: the overrides that follow, each in fp32 and in bf16, three seeds of each. Where
the processor has no instructions for bf16, its convolutions are computed in float32 on numbers that
were rounded to bf16, and rounded again: what such instructions compute, but for the order of sums.
torch's own convolutions of bf16 are many times slower there. ``check`` as the first word compares
the two on a training of 20 steps.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from srlab import cli
from srlab.machine import device

_SWEEP = [
    "experiment=findings", "testset=[set5,set14]", "trainer.precision=fp32,bf16", "seed=0,1,2",
]  # fmt: skip
_CHECK = ["experiment=findings", "trainer.steps=20", "trainer.precision=bf16"]
_CONVOLUTIONS = (
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
)


class Rounded(TorchDispatchMode):
    """Computes convolutions of bf16 in float32, and rounds what comes out."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operation of torch."""
        if func not in _CONVOLUTIONS or args[0].dtype != torch.bfloat16:
            return func(*args, **(kwargs or {}))
        wide = [a.float() if isinstance(a, torch.Tensor) else a for a in args]
        found = func(*wide, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            return found.to(torch.bfloat16)
        return tuple(None if x is None else x.to(torch.bfloat16) for x in found)


@contextlib.contextmanager
def bf16_everywhere() -> Iterator[None]:
    """Let trainings in bf16 run on any processor while the body runs."""
    if device.multiplies_bf16():
        yield
        return
    print("no instructions for bf16 here: float32 on rounded numbers stands in for them")
    device.multiplies_bf16 = lambda: True
    with Rounded():
        yield


def main(arguments: list[str]) -> None:
    """Make the sweep, or compare."""
    if not arguments:
        sys.exit(__doc__)
    if arguments[0] == "check":
        device.multiplies_bf16 = lambda: True
        srlab("train", *_CHECK, *arguments[1:], "name=torchs-own")
        with Rounded():
            srlab("train", *_CHECK, *arguments[1:], "name=rounded")
        return
    with bf16_everywhere():
        srlab("sweep", f"sweep_dir={arguments[0]}", *_SWEEP, *arguments[1:])


def srlab(*arguments: str) -> None:
    """Run a command line in this process; one that fails ends it."""
    sys.argv[1:] = arguments
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1:])
