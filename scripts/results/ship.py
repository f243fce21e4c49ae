"""Make a finished run one of the models that come with srlab, or judge all of these anew.

usage: SRLAB_DATA=FOLDER python scripts/results/ship.py [RUN NAME]

With a run, writes ``srlab/weights/NAME.safetensors`` and its card ``NAME.md``; runs are trained as
the headers of ``configs/experiment/shipped_*.yaml`` say. Without, writes the table of scores in
each card anew. Judged are Set5, Set14, Kodak24 and BSDS500-test, as they are and as JPEG.
"""

import argparse
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import srlab
from srlab.command_line.invocation import Invocation
from srlab.commands.export import run as export
from srlab.config.schema import ExportConfig
from srlab.data.manifest import read_manifests
from srlab.data.named import named
from srlab.data.pairs import read_pairs
from srlab.degradations.compression import Jpeg
from srlab.degradations.degradation import Degradation
from srlab.degradations.shrink import Shrink
from srlab.evaluation.network import costs_of
from srlab.evaluation.score import mean_score, score_images, smallest_side
from srlab.imaging.resample import enlarge
from srlab.inference.fast_copy import fast_copy
from srlab.inference.sizing import automatic_tile
from srlab.inference.tiles import upscale_tiled
from srlab.storage.checkpoint import load
from srlab.weights import shipped
from srlab.words import Colour, ExportFormat

WEIGHTS = Path(srlab.__file__).parent / "weights"
SETS = ("Set5", "Set14", "Kodak24", "BSDS500-test")
JPEG = Degradation("bicubic and JPEG", {"shrink": Shrink(), "jpeg": Jpeg(75, "4:2:0")})
_FIRST, _NEXT = "| PSNR / SSIM |", "PSNR and SSIM: "  # how the table begins, and what follows it
_OVERLAPS = (
    "JPEG 75: low resolution was compressed by JPEG of quality 75, 4:2:0. Known to overlap: Set5's "
    "*woman* is\npicture 302003 of BSDS200, and Set5's *head* a part of Set14's *face*."
)


def main() -> None:
    """Export the run and write the card."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished run")
    parser.add_argument("name", nargs="?", help="what the model is called, as compact_x3")
    options = parser.parse_args()
    if options.run is None:
        for place in shipped().values():
            before, _, rest = place.with_suffix(".md").read_text().partition(_FIRST)
            after = rest[rest.index(_NEXT) :]
            place.with_suffix(".md").write_text(f"{before}{table(place)}\n{after}")
            print(place.stem)
        return
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
    metrics = json.loads((run / "metrics.json").read_text())
    kind, rate = type(network).__name__, config["optim"]["lr"]
    side, warmup = trainer["patch_size"], config["schedule"].get("warmup", 0)
    lines = [
        f"# {config['name']}",
        "",
        f"{kind}, x{scale}, luma: {parameters:,} parameters, {cost:,.0f} multiply-adds for each "
        f"pixel that it makes.",
        "",
        table(place),
        f"PSNR and SSIM: {model['scores'][0]['protocol']}.",
        "",
        f"- Data: {', '.join(config['data']['names'])}; it has seen nothing else.",
        f"- Terms of these pictures: {_terms(config['data']['names'])}.",
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


def table(place: Path) -> str:
    """Return the scores of a model beside bicubic's, in Markdown."""
    network = fast_copy(srlab.load(place))
    scale, colour = network.scale, Colour.y if network.channels == 1 else Colour.rgb
    upscalers = {
        "bicubic": partial(enlarge, scale=scale),
        "this model": partial(upscale_tiled, network, tile=automatic_tile(network)),
    }
    rows = [f"{_FIRST} {' | '.join(SETS)} |", "|---" * (len(SETS) + 1) + "|"]
    for made, degradation in {"": None, ", JPEG 75": JPEG}.items():
        cells: dict[str, list[str]] = {label: [] for label in upscalers}
        for name in SETS:
            images = named(name, os.environ.get("SRLAB_DATA", "data"))
            side = smallest_side(scale)
            read = read_pairs(images, scale, colour, side, degradation=degradation)
            pairs = [(pair.name, pair.lr, pair.hr) for pair in read]
            for label, upscale in upscalers.items():
                mean = mean_score(score_images(upscale, pairs, scale))
                cells[label].append(f"{mean.psnr:.2f} / {mean.ssim:.4f}")
        rows += [f"| {label}{made} | {' | '.join(row)} |" for label, row in cells.items()]
    return "\n".join(rows) + f"\n\n{_OVERLAPS}\n"


def _terms(names: list[str]) -> str:
    """Say what the pictures of data sets may be used for."""
    terms = {manifest.name: manifest.terms for manifest in read_manifests().values()}
    return ", ".join(f"{name} {terms[name]}" for name in names)


def _command(run: Path) -> str:
    """Return the command that trained a run, without what is true of one machine only."""
    words = json.loads((run / "environment.json").read_text())["command"]
    return " ".join(w for w in words if not w.startswith(("run_dir=", "trainer.threads=")))


def _part(node: dict[str, Any]) -> str:
    return str(node["_target_"]).rpartition(".")[2]


if __name__ == "__main__":
    main()
