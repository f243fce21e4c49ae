"""What two settings of the process are worth in training on a CPU: python scripts/time_process.py.

srlab lets the CPU round denormal numbers to zero and the C library keep what it has freed
(srlab/commands/process.py). Here the same training runs with neither, either and both, each in a
process of its own, in turn: ESPCN x3 on the bundled photographs, batches of 16 patches of 17x17.
Milliseconds a step and page faults a step, medians over the processes.
"""

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from srlab.commands import process
from srlab.data.feed import feed
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import training
from srlab.losses.objective import Objective
from srlab.models.espcn import ESPCN
from srlab.training.average import average_of
from srlab.training.loop import Callbacks, LoopSettings, fit
from srlab.training.parameters import parameter_groups
from srlab.training.schedule import constant
from srlab.training.state import TrainingState
from srlab.upsamplers.pixel_shuffle import PixelShuffle

BOTH = list(itertools.product((False, True), repeat=2))


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*map(bool, options.one), options.steps)))
        return
    found: dict[tuple[bool, bool], list[dict[str, float]]] = {both: [] for both in BOTH}
    for _ in range(options.repeats):
        for flush, keep in BOTH:
            answer = subprocess.run(
                [sys.executable, __file__, "--one", str(int(flush)), str(int(keep)),
                 "--steps", str(options.steps)],
                stdout=subprocess.PIPE, check=True,
            )  # fmt: skip
            found[flush, keep].append(json.loads(answer.stdout))
    print("| denormals to zero | memory kept | ms a step | page faults a step |\n|---|---|---|---|")
    rows = []
    for (flush, keep), answers in found.items():
        row = {key: statistics.median(a[key] for a in answers) for key in answers[0]}
        rows.append({"flush": flush, "keep": keep} | row)
        words = ["yes" if value else "no" for value in (flush, keep)]
        print(f"| {words[0]} | {words[1]} | {row['step']:.2f} | {row['faults']:.0f} |")
    if options.json:
        options.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}))


def measure(flush: bool, keep: bool, steps: int) -> dict[str, float]:
    """Train with and without either setting; return what a step takes in the second half."""
    if keep:
        process.keep_freed_memory()
    torch.set_flush_denormal(flush)
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    model = ESPCN(PixelShuffle, 3, init="identity").to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(parameter_groups(model, {}), lr=1e-3, fused=True)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = TrainingState(model, optimizer, average_of(model, 0.999), scaler)
    batches = PatchBatches(open_pack(training(), 3, "y", 17), 16, 17, model.frame, seed=0)
    noted: list[tuple[float, int]] = []

    def note(*_: object) -> None:
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        noted.append((time.perf_counter(), faults))

    callbacks = Callbacks(note, float, list, list, lambda: False, print)
    settings = LoopSettings(steps, steps // 2, steps + 1, steps + 1)
    stream = feed(batches, 0, steps, cpu)
    fit(
        state, Objective(torch.nn.MSELoss()), stream, constant, settings, callbacks, cpu,
        model.frame,
    )  # fmt: skip
    (start, before), (end, after) = noted[0], noted[1]
    return {"step": 1e3 * (end - start) / (steps // 2), "faults": (after - before) / (steps // 2)}


if __name__ == "__main__":
    main()
