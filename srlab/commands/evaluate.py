"""``srlab evaluate``: judge a checkpoint or a baseline on test sets."""

from pathlib import Path

from srlab.assembly.network import load_network
from srlab.assembly.testsets import build_testsets, judge, read_testsets
from srlab.command_line.invocation import Invocation
from srlab.config.check import check
from srlab.config.schema import EvaluateConfig
from srlab.evaluation.score import mean_score
from srlab.evaluation.tables import as_csv, as_json, console_table
from srlab.machine.device import choose_device
from srlab.machine.memory import keep_freed_memory
from srlab.machine.shortage import enough_memory
from srlab.storage.atomic import write_atomically
from srlab.storage.folders import make_dated_folder, make_folder
from srlab.weights import shipped


def run(call: Invocation[EvaluateConfig]) -> float:
    """Print a table, write it as JSON and CSV, and return the mean PSNR of the first test set."""
    config = call.config
    keep_freed_memory()
    network = load_network(config, choose_device(config.device))
    check({"testset": config.testset})
    testsets = build_testsets(config.testset)
    upscale = network.upscaler(config.tile, config.ensemble)
    pairs = read_testsets(testsets, network.scale, network.colour, config.protocol)
    if config.output is not None:
        folder = Path(config.output).expanduser()
    elif network.checkpoint is not None and network.checkpoint not in shipped().values():
        folder = make_dated_folder(network.checkpoint.parent / "evaluations")
    else:
        folder = make_dated_folder(
            Path("runs") / "evaluations" / f"{network.label}-x{network.scale}"
        )
    make_folder(folder)

    label = network.label + (" + self-ensemble" if config.ensemble else "")
    method = None if config.ensemble else network.method
    with enough_memory("tile, which is in low-resolution pixels: tile=128"):
        results = judge(
            upscale, pairs, network.scale, network.colour, label, method, config.protocol
        )
    print(console_table(results, per_image=True))
    write_atomically(folder / "results.json", as_json(results).encode())
    write_atomically(folder / "results.csv", as_csv(results).encode())
    print(f"written: {folder}/results.json and results.csv")
    return mean_score(results[0].scores).psnr
