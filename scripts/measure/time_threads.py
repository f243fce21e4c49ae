"""Time training steps by ways to use the processors, idle and beside a program that keeps one busy.

usage: python scripts/measure/time_threads.py [--steps 20] [--repeats 7]

One thread; all threads within each layer, as torch has it; all threads with a part of the batch
each, as `srlab train` has it. At x3 with batches of 16 patches of 17x17, on one fixed batch;
medians of interleaved repetitions.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from srlab.losses.objective import Objective
from srlab.machine.memory import keep_freed_memory
from srlab.measuring.timing import interleaved
from srlab.models.base import Model
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.training.average import average_of
from srlab.training.parameters import parameter_groups
from srlab.training.state import TrainingState
from srlab.training.step import make_advance
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.staged import Staged

SCALE, BATCH, PATCH = 3, 16, 17
CPU = torch.device("cpu")
NETWORKS: dict[str, Callable[[], Model]] = {
    "ESPCN": lambda: ESPCN(PixelShuffle, SCALE),
    "FSRCNN": lambda: FSRCNN(partial(Deconv, kernel_size=9), SCALE),
    "EDSR-baseline": lambda: EDSR(partial(Staged, stage=PixelShuffle), SCALE),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    keep_freed_memory()
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads; ms a step\n")
    print("| network | beside it | 1 thread | within layers | parts of the batch | of the best |")
    print("|---|---|---|---|---|---|")
    for name, make in NETWORKS.items():
        steps = max(1, options.steps // (10 if name.startswith("EDSR") else 1))
        ways = {
            "1 thread": stepping(make(), 1, 1, steps),
            "within layers": stepping(make(), threads, 1, steps),
            "parts of the batch": stepping(make(), threads, threads, steps),
        }
        for beside, company in (("nothing", idle), ("a busy program", beside_another)):
            with company():
                seconds = interleaved(ways, options.repeats)
            medians = [1e3 * statistics.median(times) / steps for times in seconds.values()]
            cells = " | ".join(f"{ms:.1f}" for ms in medians)
            print(f"| {name} | {beside} | {cells} | {min(medians) / medians[-1]:.2f} |", flush=True)


def stepping(model: Model, threads: int, parts: int, steps: int) -> Callable[[], None]:
    """Return what takes some steps of a network on one batch."""
    model = model.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(parameter_groups(model, {}), lr=1e-4, fused=True)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = TrainingState(model, optimizer, average_of(model, 0.999), scaler)
    side, large = PATCH + 2 * model.frame, SCALE * PATCH
    lr, hr = torch.rand(BATCH, 1, side, side), torch.rand(BATCH, 1, large, large)
    torch.set_num_threads(threads)
    objective = Objective(torch.nn.MSELoss())
    advance = make_advance(state, objective, model.frame, CPU, parts=parts)

    def run() -> None:
        torch.set_num_threads(threads)
        for _ in range(steps):
            advance(lr, hr)

    return run


@contextmanager
def idle() -> Iterator[None]:
    """Let nothing else run."""
    yield


@contextmanager
def beside_another() -> Iterator[None]:
    """Let another program keep one processor busy."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


if __name__ == "__main__":
    main()
