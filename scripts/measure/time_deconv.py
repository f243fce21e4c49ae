"""Time Deconv against torch's own transposed convolution: python scripts/measure/time_deconv.py.

The same layer, weights and picture (160 x 160 low-resolution pixels), forward only, on as many
threads as torch takes; medians of interleaved repetitions, and their ratio.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.upsamplers.deconv import Deconv

SIDE, REPETITIONS = 160, 15


def seconds(run: Callable[[], Tensor]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@torch.inference_mode()
def main() -> None:
    """Print a Markdown table."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    header = ("channels", "scale", "kernel", "torch, ms", "srlab, ms", "ratio")
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for inputs, outputs in ((32, 1), (56, 1), (16, 16), (64, 64)):
        for scale in (2, 3, 4):
            layer = Deconv(inputs, outputs, scale)
            weight, bias = layer.deconv.weight, layer.deconv.bias
            framed = torch.rand(1, inputs, SIDE + 2, SIDE + 2)
            start = scale + layer.padding

            def theirs() -> Tensor:
                whole = F.conv_transpose2d(framed, weight, bias, scale)  # noqa: B023
                return whole[..., start:-start, start:-start]  # noqa: B023

            def ours() -> Tensor:
                return layer(framed)  # noqa: B023

            assert torch.allclose(theirs(), ours(), atol=1e-4)
            pairs = [(seconds(theirs), seconds(ours)) for _ in range(REPETITIONS)]
            slow, quick = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
            size = weight.shape[-1]
            print(
                f"| {inputs} to {outputs} | x{scale} | {size}x{size} | {slow:.1f} | {quick:.1f} "
                f"| {slow / quick:.1f} |"
            )


if __name__ == "__main__":
    main()
