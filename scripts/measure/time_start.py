"""Time how long srlab takes to the end of its first training step.

usage: python scripts/measure/time_start.py [--json FILE]

A first start decodes the training images; every later one finds them decoded. Both are measured in
processes of their own, less what `import torch` takes there; medians of the later ones. With T91,
Set5 and Set14 under SRLAB_DATA these are used, else the bundled photographs. And `srlab --help`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE_START = """
import sys, time
start = time.perf_counter()
import torch
imported = time.perf_counter()
import srlab.commands.train.training as train
from srlab.cli import main

real = train.fit

def fit(*arguments, **keywords):
    def watched(batches):
        yield next(batches)
        print("TOOK", imported - start, time.perf_counter() - imported)
        yield next(batches)

    return real(*arguments[:2], watched(iter(arguments[2])), *arguments[3:], **keywords)

train.fit = fit
sys.argv = ["srlab", "train", "trainer.steps=2", *sys.argv[1:]]
main()
"""


def main() -> None:
    """Print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    root = Path(os.environ.get("SRLAB_DATA", "data"))
    known = all((root / name).is_dir() for name in ("T91", "Set5", "Set14"))
    data = ["data=t91", "testset=[set5,set14]"] if known else []
    with tempfile.TemporaryDirectory() as place:
        imports, starts = [], []
        for number in range(options.repeats + 1):
            answer = subprocess.run(
                [sys.executable, "-c", ONE_START, *data, f"run_dir={place}/{number}"],
                env=os.environ | {"SRLAB_CACHE": f"{place}/cache"}, capture_output=True, text=True,
                check=True,
            )  # fmt: skip
            (line,) = (x for x in answer.stdout.splitlines() if x.startswith("TOOK"))
            imports.append(float(line.split()[1]))
            starts.append(float(line.split()[2]))
    helps = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "srlab", "--help"], capture_output=True, check=True)
        helps.append(time.perf_counter() - start)
    found = {
        "data": data[0] if data else "data=photos",
        "import torch": statistics.median(imports),
        "first start, to the end of the first step": starts[0],
        "second start, to the end of the first step": statistics.median(starts[1:]),
        "srlab --help": statistics.median(helps),
    }
    for name, value in found.items():
        print(f"{name}: {value if isinstance(value, str) else f'{value:.2f} s'}")
    if options.json:
        Path(options.json).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
