"""Time the models that come with srlab, and say in their cards and in ``model=list`` how long.

usage: python scripts/measure/model_speed.py [--repeats 7]

One thread maps a picture of 640x360, as floats, by each model in turn: as srlab does it, and, where
onnx, onnxscript and onnxruntime are installed, by ONNX Runtime. Told are medians of the seconds for
a megapixel that is made, and of the ratios of neighbouring runs. They are written to
``srlab/weights/speed.json`` and to the cards.
"""

import argparse
import json
import re
import statistics
import tempfile
from pathlib import Path

import torch
from upscale_side_by_side import HEIGHT, WIDTH, export, on_values, onnx_session

from srlab.assembly.network import load_network
from srlab.config.schema import NetworkConfig
from srlab.evaluation.network import costs_of
from srlab.machine.facts import machine
from srlab.machine.memory import keep_freed_memory
from srlab.measuring.timing import interleaved, median_ratio
from srlab.storage.atomic import write_atomically
from srlab.upsamplers.simplify import simplify
from srlab.weights import SPEEDS, shipped

_NAMES = ("srlab", "ONNX Runtime")


def main() -> None:
    """Measure, print a Markdown table, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    processor = machine(torch.device("cpu"))["cpu"].rpartition(" x ")[2]
    found = {}
    print("| model | multiply-adds a pixel | s a megapixel | ONNX Runtime, times srlab's |")
    print("|---|---|---|---|")
    for name in shipped():
        seconds, ratio, cost = measured(name, options.repeats)
        found[name] = round(seconds, 3)
        told = "" if ratio is None else f"{ratio:.2f}"
        print(f"| `{name}` | {cost:,.0f} | {seconds:.3f} | {told} |", flush=True)
    for name, path in shipped().items():
        write_card(path.with_suffix(".md"), found[name], processor)
    content = {"processor": processor, "seconds": found}
    write_atomically(SPEEDS, (json.dumps(content, indent=1) + "\n").encode())


def measured(name: str, repeats: int) -> tuple[float, float | None, float]:
    """Return seconds a megapixel, the ratio of ONNX Runtime's, and multiply-adds a pixel."""
    network = load_network(NetworkConfig(checkpoint=name), torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        can_export = export(simplify(network.module), exported)
        session = onnx_session(exported, 1) if can_export else None
        runs = on_values(network, exported, session, 1)
        times = interleaved({key: runs[key] for key in _NAMES if key in runs}, repeats, rest=0.03)
    megapixels = HEIGHT * WIDTH * network.scale**2 / 1e6
    ratio = median_ratio(times[_NAMES[1]], times[_NAMES[0]]) if _NAMES[1] in times else None
    return statistics.median(times["srlab"]) / megapixels, ratio, costs_of(network.module)[""]


def write_card(card: Path, seconds: float, processor: str) -> None:
    """Put the time into a card, before its licence."""
    before, licence, after = re.sub(r"- Speed: .*\n", "", card.read_text()).partition("- Licence:")
    line = (
        f"- Speed: {seconds:.3f} s for a megapixel that it makes, on one thread of {processor}.\n"
    )
    assert licence, card
    write_atomically(card, f"{before}{line}{licence}{after}".encode())


if __name__ == "__main__":
    main()
