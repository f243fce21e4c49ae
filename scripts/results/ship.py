"""Make a finished run one of the models that come with srlab, or judge all of these anew.

usage: SRLAB_DATA=FOLDER python scripts/results/ship.py [RUN NAME]

With a run, writes ``srlab/weights/NAME.safetensors``, its kernels in fp16, and its card
``NAME.md``; runs are trained by ``scripts/results/models``, and what a model takes is written by
``scripts/measure/model_speed.py``. Without, writes each file anew, its scores and the table of its
card. Judged are Set5, Set14, Kodak24 and BSDS500-test, as they are and as JPEG. The file itself
carries the scores on clean Set5 and Set14, whatever it was trained on, so that ``model=list``
compares like with like.
"""

import argparse
import json
import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from networks import network_of
from torch import Tensor

import srlab
from srlab.assembly.checkpoints import checkpoint_file
from srlab.assembly.network import Network
from srlab.command_line.invocation import Invocation
from srlab.commands.export import run as export
from srlab.config.schema import ExportConfig
from srlab.data.manifest import read_manifests, terms_of
from srlab.data.named import named
from srlab.data.pairs import read_pairs
from srlab.degradations.compression import Jpeg
from srlab.degradations.degradation import Degradation
from srlab.degradations.shrink import Shrink
from srlab.evaluation.network import costs_of
from srlab.evaluation.score import Score, mean_score, protocol, score_images, smallest_side
from srlab.imaging.resample import enlarge
from srlab.machine.precision import rounded_kernels
from srlab.storage.atomic import write_atomically
from srlab.storage.checkpoint import load
from srlab.storage.model_file import as_model
from srlab.weights import shipped
from srlab.words import ExportFormat

WEIGHTS = Path(srlab.__file__).parent / "weights"
SETS = ("Set5", "Set14", "Kodak24", "BSDS500-test")
_IN_THE_FILE = 2  # of these sets
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
            store(place, load(place))
            before, _, rest = place.with_suffix(".md").read_text().partition(_FIRST)
            after = rest[rest.index(_NEXT) :].partition("\n")[2]
            told = f"{_NEXT}{load(place)['scores'][0]['protocol']}.\n"
            place.with_suffix(".md").write_text(f"{before}{table(place)}\n{told}{after}")
            print(place.stem)
        return
    place = WEIGHTS / f"{options.name}.safetensors"
    with TemporaryDirectory() as folder:
        exported = Path(folder) / place.name
        config = ExportConfig(
            checkpoint=str(options.run), format=ExportFormat.safetensors, name=options.name,
            output=str(exported),
        )  # fmt: skip
        export(Invocation(config))
        store(place, load(exported))
    write_atomically(place.with_suffix(".md"), card(place, options.run).encode())


def store(place: Path, model: dict[str, Any]) -> None:
    """Write the file of a model, in half of its size, with the scores that it then has."""
    config, weights = model["config"], model["weights"]
    halved = {
        name: rounded_kernels(weight, torch.float16).half() if weight.dim() == 4 else weight
        for name, weight in weights.items()
    }
    with TemporaryDirectory() as folder:
        unjudged = Path(folder) / place.name
        unjudged.write_bytes(as_model(config, halved, []))
        judged = scores(unjudged)
    write_atomically(place, as_model(config, halved, judged))


def card(place: Path, run: Path) -> str:
    """Return the model card of a file that was exported from a run."""
    model = load(place)
    config, network = model["config"], srlab.load(place)
    trainer, scale = config["trainer"], config["scale"]
    parameters = sum(p.numel() for p in network.parameters())
    cost = costs_of(network)[""]
    metrics = json.loads((run / "metrics.json").read_text())
    kind, rate = type(network).__name__, config["optim"]["lr"]
    words = json.loads((run / "environment.json").read_text())["command"]
    begun = _begun(words)
    sets = terms_of(config["data"])
    sees = "luma" if network.channels == 1 else "RGB"
    side, warmup = trainer["patch_size"], config["schedule"].get("warmup", 0)
    precision = trainer.get("precision", "fp32")
    lines = [
        f"# {config['name']}",
        "",
        f"{kind}, x{scale}, {sees}: {parameters:,} parameters, {cost:,.0f} multiply-adds for each "
        f"pixel that it makes.",
        "",
        table(place),
        f"{_NEXT}{model['scores'][0]['protocol']}.",
        "",
        f"- Data: {', '.join(sets)}{_taken(config['data'])}; it has seen nothing else.",
        "- Terms of these pictures: " + "\n".join(_terms(sets)),
        f"- Recipe: `{' '.join(_command(words))}`, that is{begun}",
        f"  {_part(config['loss']['pixel'])}, {_part(config['optim'])} at {rate:g}, schedule "
        f"{_part(config['schedule'])} after {warmup} steps of warm-up,",
        f"  {trainer['steps']:,} steps of {trainer['batch_size']} patches of {side}x{side} "
        f"low-resolution pixels, average of the weights with",
        f"  a decay of {trainer['ema']}, layers in {precision}, seed {config['seed']}; "
        f"{metrics['seconds'] / 60:.0f} minutes on one thread of a CPU"
        f"{', without what it begins with' if begun else ''}.",
        "- Degradation: " + "\n".join(_degradation(config)),
        "- Licence: MIT, as srlab's.",
        "",
        "```bash",
        f"srlab upscale model={config['name']} input=photo.png",
        "```",
    ]
    return "\n".join(lines) + "\n"


def table(place: Path) -> str:
    """Return the scores of a model beside bicubic's, in Markdown."""
    network = network_of(place)
    by_network = network.upscaler("auto", ensemble=False)
    upscalers = {"bicubic": partial(enlarge, scale=network.scale), "this model": by_network}
    rows = [f"{_FIRST} {' | '.join(SETS)} |", "|---" * (len(SETS) + 1) + "|"]
    for made, degradation in {"": None, ", JPEG 75": JPEG}.items():
        means = [judged(network, upscalers.values(), name, degradation) for name in SETS]
        for label, of_sets in zip(upscalers, zip(*means, strict=True), strict=True):
            cells = [f"{mean.psnr:.2f} / {mean.ssim:.4f}" for mean in of_sets]
            rows.append(f"| {label}{made} | {' | '.join(cells)} |")
    return "\n".join(rows) + f"\n\n{_OVERLAPS}\n"


def scores(place: Path) -> list[dict[str, Any]]:
    """Return the scores of a model on clean pictures, as the file of a model carries them."""
    network = network_of(place)
    upscale = network.upscaler("auto", ensemble=False)
    how = {"scale": network.scale, "protocol": protocol(network.scale, network.colour)}
    means = {name: judged(network, [upscale], name)[0] for name in SETS[:_IN_THE_FILE]}
    return [{"testset": n, **how, "psnr": m.psnr, "ssim": m.ssim} for n, m in means.items()]


def judged(
    network: Network,
    upscalers: Iterable[Callable[[Tensor], Tensor]],
    name: str,
    degradation: Degradation | None = None,
) -> list[Score]:
    """Return the mean scores, on a set of pictures, of what upscales as a network does."""
    images = named(name, os.environ.get("SRLAB_DATA", "data"))
    side = smallest_side(network.scale)
    read = read_pairs(images, network.scale, network.colour, side, degradation=degradation)
    pairs = [(pair.name, pair.lr, pair.hr) for pair in read]
    return [mean_score(score_images(upscale, pairs, network.scale)) for upscale in upscalers]


def _degradation(config: dict[str, Any]) -> list[str]:
    """Say what the low-resolution pictures of the training were made by."""
    node = config.get("degradation")
    if not node:
        return [
            f"MATLAB's bicubic / {config['scale']}. Pictures that were sharpened, compressed or "
            f"are noisy are outside",
            "  of what it has learnt.",
        ]
    sized = config["name"].removeprefix("photo_")
    clean = sized if sized in shipped() else config["name"].replace("photo", "compact")
    return [
        f"`{node['name']}`, of docs/training.md. What is clean comes out softer than by `{clean}`."
    ]


def _taken(data: dict[str, Any]) -> str:
    """Say of which sets how many patches are, of which sizes and of what part of the pictures."""
    weights = data.get("weights") or ()
    shares = f" ({':'.join(f'{weight:g}' for weight in weights)} of the patches)" if weights else ""
    factors, share = data.get("shrink", [1.0]), data.get("hardest", 1.0)
    told = f" at {', '.join(f'{factor:g}' for factor in factors)} of their size"
    hardest = f", {share:.0%} of their tiles, those that bicubic errs most on"
    return shares + ("" if factors == [1.0] else told) + ("" if share == 1 else hardest)


def _terms(sets: dict[str, str]) -> list[str]:
    """Say what the pictures of data sets may be used for, and whose they are."""
    credits = {manifest.name: manifest.credits for manifest in read_manifests().values()}
    said = ", ".join(f"{name} {terms}" for name, terms in sets.items())
    return [f"{said}.", *(f"  Photographs: {credits[n]}." for n in sets if credits.get(n))]


def _command(words: list[str]) -> list[str]:
    """Return the command that trained a run, without what is true of one machine only."""
    kept = (w for w in words if not w.startswith(("run_dir=", "trainer.threads=", "name=")))
    plain = (re.sub(r"='([\w./]+)'$", r"=\1", word) for word in kept)
    return [re.sub(r"^start=.*/([\w.]+)$", r"start=\1", word) for word in plain]


def _begun(words: list[str]) -> str:
    """Say with which network's weights a command begins, if with any, and what that had seen."""
    starts = [word.partition("=")[2].strip("'") for word in words if word.startswith("start=")]
    if not starts:
        return ""
    config = load(checkpoint_file(starts[0]))["config"]
    seen, steps = ", ".join(terms_of(config["data"])), config["trainer"]["steps"]
    return f", after {Path(starts[0]).name} ({steps:,} steps on {seen}) of scripts/results/models,"


def _part(node: dict[str, Any]) -> str:
    return str(node["_target_"]).rpartition(".")[2]


if __name__ == "__main__":
    main()
