"""Make a finished run one of the models that come with srlab.

usage: python scripts/results/ship.py RUN NAME

Writes ``srlab/weights/NAME.safetensors`` and its card ``NAME.md``. Runs are trained as the headers
of ``configs/experiment/shipped_*.yaml`` say.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import srlab
from srlab.command_line.invocation import Invocation
from srlab.commands.export import run as export
from srlab.config.schema import ExportConfig
from srlab.evaluation.network import costs_of
from srlab.storage.checkpoint import load
from srlab.words import ExportFormat

WEIGHTS = Path(srlab.__file__).parent / "weights"


def main() -> None:
    """Export the run and write the card."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("name", help="what the model is called, as compact_x3")
    options = parser.parse_args()
    place = WEIGHTS / f"{options.name}.safetensors"
    config = ExportConfig(
        checkpoint=str(options.run), format=ExportFormat.safetensors, name=options.name,
        output=str(place),
    )  # fmt: skip
    export(Invocation(config))
    place.with_suffix(".md").write_text(card(place, options.run))


def card(place: Path, run: Path) -> str:
    """Return the model card of a file that was exported from a run."""
    model = load(place)
    config, network = model["config"], srlab.load(place)
    trainer, scale = config["trainer"], config["scale"]
    parameters = sum(p.numel() for p in network.parameters())
    cost = costs_of(network)[""]
    results = json.loads((run / "results.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    kind, rate = type(network).__name__, config["optim"]["lr"]
    side, warmup = trainer["patch_size"], config["schedule"].get("warmup", 0)
    lines = [
        f"# {config['name']}",
        "",
        f"{kind}, x{scale}, luma: {parameters:,} parameters, {cost:,.0f} multiply-adds for each "
        f"pixel that it makes.",
        "",
        *_table(results),
        "",
        f"PSNR and SSIM: {model['scores'][0]['protocol']}.",
        "",
        f"- Data: {', '.join(config['data']['names'])}; it has seen nothing else.",
        f"- Recipe: `{_command(run)}`, that is",
        f"  {_part(config['loss']['pixel'])}, {_part(config['optim'])} at {rate:g}, schedule "
        f"{_part(config['schedule'])} after {warmup} steps of warm-up,",
        f"  {trainer['steps']:,} steps of {trainer['batch_size']} patches of {side}x{side} "
        f"low-resolution pixels, average of the weights with",
        f"  a decay of {trainer['ema']}, seed {config['seed']}; "
        f"{metrics['seconds'] / 60:.0f} minutes on one thread of a CPU.",
        f"- Degradation: MATLAB's bicubic / {scale}. Pictures that were sharpened, compressed or "
        f"are noisy are outside",
        "  of what it has learnt.",
        "- Licence: MIT, as srlab's.",
        "",
        "```bash",
        f"srlab upscale model={config['name']} input=photo.png",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _table(results: list[dict[str, Any]]) -> list[str]:
    """Return the run's scores beside bicubic's."""
    names = list(dict.fromkeys(result["testset"] for result in results))
    rows = [f"| PSNR / SSIM | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for label in ("bicubic", "this model"):
        means = [r for r in results if (r["method"] == "bicubic") == (label == "bicubic")]
        cells = [f"{mean['psnr']:.2f} / {mean['ssim']:.4f}" for mean in means]
        rows.append(f"| {label} | {' | '.join(cells)} |")
    return rows


def _command(run: Path) -> str:
    """Return the command that trained a run, without what is true of one machine only."""
    words = json.loads((run / "environment.json").read_text())["command"]
    return " ".join(w for w in words if not w.startswith(("run_dir=", "trainer.threads=")))


def _part(node: dict[str, Any]) -> str:
    return str(node["_target_"]).rpartition(".")[2]


if __name__ == "__main__":
    main()
