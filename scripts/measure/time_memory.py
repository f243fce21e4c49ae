"""What it is worth that a process keeps freed memory.

usage: python scripts/measure/time_memory.py [--json FILE]

srlab lets the C library keep what was freed (srlab/machine/memory.py). Here the same training runs
with and without, each in a process of its own, in turn, on the bundled photographs: x3, batches of
16 patches of 17x17. Milliseconds of the processors and page faults for each step, medians over the
processes.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from srlab.data.feed import feed
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import training
from srlab.losses.objective import Objective
from srlab.machine.memory import keep_freed_memory
from srlab.models.base import Model
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.srcnn import SRCNN
from srlab.training.average import average_of
from srlab.training.loop import Callbacks, LoopSettings, fit
from srlab.training.parameters import parameter_groups
from srlab.training.schedule import constant
from srlab.training.state import TrainingState
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle

SCALE = 3
NETWORKS = {
    "ESPCN": (lambda: ESPCN(PixelShuffle, SCALE, init="identity"), 300),
    "FSRCNN": (lambda: FSRCNN(Deconv, SCALE, init="identity"), 150),
    "SRCNN": (lambda: SRCNN(Interpolate, SCALE, init="identity"), 60),
    "EDSR, 4 blocks": (lambda: EDSR(PixelShuffle, SCALE, blocks=4), 20),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, keep = options.one
        print(json.dumps(measure(*NETWORKS[name], keep == "keep")))
        return
    columns = ("network", "ms, returned", "faults", "ms, kept", "faults", "ratio")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    rows = []
    for name in NETWORKS:
        found: dict[str, list[dict[str, float]]] = {"return": [], "keep": []}
        for _ in range(options.repeats):
            for way, answers in found.items():
                command = [sys.executable, __file__, "--one", name, way]
                answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                answers.append(json.loads(answer.stdout))
        row = {
            way: {key: statistics.median(a[key] for a in answers) for key in answers[0]}
            for way, answers in found.items()
        }
        rows.append({"network": name} | row)
        returned, kept = row["return"], row["keep"]
        print(
            f"| {name} | {returned['ms']:.1f} | {returned['faults']:,.0f} | {kept['ms']:.1f} "
            f"| {kept['faults']:,.0f} | {returned['ms'] / kept['ms']:.2f} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}))


def measure(make, steps: int, keep: bool) -> dict[str, float]:
    """Train for twice ``steps``, keeping freed memory or not; return what the second half took."""
    if keep:
        keep_freed_memory()
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    model: Model = make().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(parameter_groups(model, {}), lr=1e-3, fused=True)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = TrainingState(model, optimizer, average_of(model, 0.999), scaler)
    batches = PatchBatches(open_pack(training(), SCALE, "y", 17), 16, 17, model.frame, seed=0)
    noted: list[tuple[float, int]] = []

    def note(*_: object) -> None:
        noted.append((time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt))

    callbacks = Callbacks(note, float, list, list, lambda: False, print)
    settings = LoopSettings(2 * steps, steps, 2 * steps + 1, 2 * steps + 1)
    fit(
        state, Objective(torch.nn.MSELoss()), feed(batches, 0, 2 * steps, cpu), constant, settings,
        callbacks, cpu, model.frame,
    )  # fmt: skip
    (start, before), (end, after) = noted[0], noted[1]
    return {"ms": 1e3 * (end - start) / steps, "faults": (after - before) / steps}


if __name__ == "__main__":
    main()
