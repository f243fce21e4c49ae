"""``srlab export``: a trained network as a file for other programs."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as as_bytes
from torch import Tensor

from srlab.assembly.checkpoints import checkpoint_file, path_beside
from srlab.assembly.network import asked_checkpoint
from srlab.command_line.invocation import Invocation
from srlab.config.build import build, without_warning
from srlab.config.compose import option_node
from srlab.config.schema import ExportConfig
from srlab.errors import UserError
from srlab.imaging.colour import CHANNELS
from srlab.imaging.resample import crop
from srlab.inference.program import Program
from srlab.interchange.programs import as_onnx, as_torch_export, run_onnx, run_torch_export
from srlab.interchange.spandrel import run_srvgg, srvgg_weights, with_bilinear_chroma
from srlab.models.base import Model
from srlab.storage.atomic import write_atomically
from srlab.storage.checkpoint import load as read_checkpoint
from srlab.storage.folders import check_new_file
from srlab.storage.model_file import NORMALISATION, as_model, describe
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.rep_conv import collapse_blocks
from srlab.upsamplers.simplify import simplify, upsamplers_of
from srlab.weights import EXAMPLE
from srlab.words import Colour, ExportFormat, ExportPrecision, Picture

_EQUAL = {ExportPrecision.fp32: 1e-4, ExportPrecision.fp16: 5e-3}  # of [0, 1]
_SUFFIX = {
    ExportFormat.safetensors: ".safetensors",
    ExportFormat.onnx: ".onnx",
    ExportFormat.torch_export: ".pt2",
    ExportFormat.spandrel: "-spandrel.safetensors",
}

# What of a run's config tells how it was trained, and is true on any machine.
_RECIPE = ("seed", "loss", "optim", "schedule", "data", "degradation", "trainer")
_PLACES = ("path", "root")
_SCORE = ("testset", "scale", "protocol", "psnr", "ssim")

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Export:
    """What is to be written, and how it is checked.

    Args:
        content: The file.
        theirs: What the file computes, ``lr -> sr``.
        ours: What it is to compute.
        channels: What both take.
        border: Low-resolution pixels at the edge of the picture where they may differ.
        sizes: Heights and widths of the noise that both are run on, border not counted.
    """

    content: bytes
    theirs: Map
    ours: Map
    channels: int
    border: int = 0
    sizes: Sequence[tuple[int, int]] = ((17, 23), (240, 320))


def run(call: Invocation[ExportConfig]) -> float:
    """Write the file, and return the largest difference between it and the network.

    Raises:
        UserError: The network cannot be had, or cannot be exported so that it computes the same.
    """
    config = call.config
    if config.checkpoint is None or config.model:
        raise UserError(f"give checkpoint=FILE, or model={EXAMPLE}")
    program = config.format in (ExportFormat.onnx, ExportFormat.torch_export)
    if not program and config.picture != Picture.rgb:
        raise UserError(f"format={config.format} is no program: leave picture out")
    source = checkpoint_file(config.checkpoint)
    network, made_with = asked_checkpoint(config, source)
    trained_at = read_checkpoint(source)["config"]["scale"]
    mark = f"-x{network.scale}" if network.scale != trained_at else ""
    name = Path(f"{source.stem}{mark}{_SUFFIX[config.format]}")
    output = Path(config.output).expanduser() if config.output else path_beside(source, str(name))
    if output.suffix != name.suffix:
        raise UserError(f"format={config.format} is written to {name.suffix} files, not {output}")
    check_new_file(output, "output=FILE")
    about = _recipe(made_with) | ({"name": config.name} if config.name else {})
    scores = _scores(source, network.scale) if config.precision == ExportPrecision.fp32 else []
    if config.format == ExportFormat.safetensors:
        made = _as_safetensors(config, network, about, scores)
    elif config.format == ExportFormat.spandrel:
        made = _as_spandrel(config, network, about)
    else:
        made = _as_program(config, network, about, scores)
    worst = _compare(made, network.scale)
    if not worst <= _EQUAL[config.precision]:
        raise UserError(f"what was exported differs by {worst:.1g}: nothing was written")
    write_atomically(output, made.content)
    print(f"written: {output} ({len(made.content) / 1000:,.0f} kB)")
    return worst


def _as_safetensors(
    config: ExportConfig, network: Model, about: dict[str, Any], scores: list[dict[str, Any]]
) -> Export:
    if config.precision != ExportPrecision.fp32:
        raise UserError("format=safetensors keeps the weights as they are: leave precision out")
    node, simple = _simplest(network, about["model"])
    if "upsampler" in node:
        about = about | {"model": node, "upsampler": node["upsampler"]}
    content = as_model(about, simple.state_dict(), scores)
    read = _built(node)
    read.load_state_dict(from_bytes(content))
    return Export(content, read, network, network.channels)


def _as_spandrel(config: ExportConfig, network: Model, about: dict[str, Any]) -> Export:
    half = config.precision == ExportPrecision.fp16
    one = copy.deepcopy(network)
    collapse_blocks(one)
    weights = srvgg_weights(one, about["colour"])
    content = as_bytes({k: v.half() if half else v for k, v in weights.items()})
    theirs = run_srvgg(from_bytes(content), network.scale)
    ours = network if about["colour"] == "rgb" else with_bilinear_chroma(network)
    if about["colour"] == "rgb" and about["model"].get("border") == "zeros":
        return Export(content, theirs, ours, 3)
    print(
        f"the same picture but within {network.halo} low-resolution pixels of its border, where "
        f"SRVGGNetCompact pads every layer with zeros"
    )
    return Export(content, theirs, ours, 3, network.halo)


def _as_program(
    config: ExportConfig, network: Model, about: dict[str, Any], scores: list[dict[str, Any]]
) -> Export:
    half = config.precision == ExportPrecision.fp16
    face = Colour.rgb if config.picture == Picture.rgb else Colour(about["colour"])
    program = Program(simplify(network), about["colour"], face, half).eval()
    ours = Program(network, about["colour"], face).eval()
    channels = CHANNELS[face]
    metadata = describe(about, scores) | {"picture": face, "normalisation": NORMALISATION[face]}
    if config.format == ExportFormat.onnx:
        content = as_onnx(program, channels, metadata)
        return Export(content, run_onnx(content), ours, channels)
    content = as_torch_export(program, channels, metadata)
    # In half precision torch is so slow on a CPU that a large picture would take a minute.
    sizes = Export.sizes[:1] if half else Export.sizes
    return Export(content, run_torch_export(content), ours, channels, sizes=sizes)


@torch.inference_mode()
def _compare(made: Export, scale: int) -> float:
    """Print and return the largest difference, on noise of several sizes."""
    random = torch.Generator().manual_seed(0)
    differences = []
    for inner in made.sizes:
        height, width = (size + 2 * made.border for size in inner)
        lr = torch.rand(1, made.channels, height, width, generator=random)
        both = [crop(run(lr), scale * made.border) for run in (made.theirs, made.ours)]
        worst = float((both[0] - both[1]).abs().max())
        print(f"largest difference on {width}x{height} pixels of noise: {worst:.1e}")
        differences.append(worst)
    return float(torch.tensor(differences).max())  # NaN if one is


def _simplest(network: Model, node: dict[str, Any]) -> tuple[dict[str, Any], Model]:
    """Return config and network in the form that runs fastest, where a config can say it."""
    simple = simplify(network)
    heads = [head for _, head in upsamplers_of(simple)]
    sizes = {2 * head.halo + 1 for head in heads}
    changed = any(type(head) is not type(network.get_submodule(name))
                  for name, head in upsamplers_of(simple))  # fmt: skip
    if changed and len(sizes) == 1 and all(type(head) is PixelShuffle for head in heads):
        head = option_node("upsampler", "pixel_shuffle", "upsampler", network.scale)
        node = node | {"upsampler": head | {"kernel_size": sizes.pop()}}
    elif node.get("block") == "rep":
        simple = copy.deepcopy(network)
        collapse_blocks(simple)
    else:
        return node, network
    node = node | ({"block": "plain"} if "block" in node else {})
    rebuilt = _built(node)
    rebuilt.load_state_dict(simple.state_dict())
    return node, rebuilt


def _built(node: dict[str, Any]) -> Model:
    with without_warning():
        return build(node, "model").eval()


def _recipe(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a model says of itself: what rebuilds it, and how it was trained."""
    keys = ("name", "scale", "colour", "model", "upsampler", *_RECIPE)
    kept = {key: _without_places(config[key]) for key in keys if key in config}
    return {"name": "run"} | kept | {"model": config["model"]}


def _without_places(node: Any) -> Any:
    """Return a part of the recipe without the paths in it."""
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if k not in _PLACES and not _is_place(v)}
        return {key: _without_places(value) for key, value in kept.items()}
    if isinstance(node, list):
        return [_without_places(value) for value in node if not _is_place(value)]
    return node


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and (value.startswith("~") or Path(value).is_absolute())


def _scores(source: Path, scale: int) -> list[dict[str, Any]]:
    """Return the scores of a model, or of a finished run's last checkpoint; else none.

    A run was judged at its scale alone.
    """
    if source.suffix == ".safetensors":
        return [record for record in read_checkpoint(source)["scores"] if record["scale"] == scale]
    results = source.with_name("results.json")
    if source.name != "last.pt" or not results.exists():
        return []
    try:
        records = json.loads(results.read_text(encoding="utf-8"))[1::2]  # each follows bicubic's
        scores = [{k: record[k] for k in _SCORE} for record in records]
        return [record for record in scores if record["scale"] == scale]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{results} is damaged: it is not what srlab train wrote") from None
