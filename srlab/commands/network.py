"""The network of a command: from a checkpoint, or a model without weights."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srlab.commands.limits import AtMost
from srlab.config.build import build, without_warning
from srlab.config.check import TRUSTED, ConfigError, check, check_upsampler_used
from srlab.config.ranges import check_scale
from srlab.config.schema import NetworkConfig
from srlab.config.words import Colour, UpscalePrecision
from srlab.errors import UserError
from srlab.imaging.colour import CHANNELS
from srlab.inference.ensemble import SelfEnsemble, self_ensemble
from srlab.inference.pixels import OnPixels, upscale_pixels
from srlab.inference.quick import quick
from srlab.inference.sizing import automatic_number, automatic_tile
from srlab.inference.tiles import device_of, upscale_tiled
from srlab.machine.memory import enough_memory
from srlab.machine.precision import layer_type
from srlab.measuring.cost import multiply_adds
from srlab.metrics.checkerboard import flat_ripple
from srlab.models import Model
from srlab.storage.checkpoint import load as read_checkpoint
from srlab.upsamplers.simplify import simplify
from srlab.weights import shipped

_BORDER = 64  # low-resolution pixels that count as border in flat pictures, at most


@dataclass(frozen=True)
class Network:
    """A network that is ready for use.

    Args:
        module: The model, on its device, in evaluation mode.
        scale: Its factor.
        colour: What it sees.
        label: What tables call it.
        method: The paper's name for it, if the papers have it.
        checkpoint: The file that it came from, or None.
    """

    module: Model
    scale: int
    colour: Colour
    label: str
    method: str | None
    checkpoint: Path | None

    def upscaler(self, tile: int | str, ensemble: bool) -> Callable[[Tensor], Tensor]:
        """Return the function ``lr -> sr`` that runs it in tiles, eight times if ``ensemble``.

        One tile after the other: where there are many pictures, each has a thread of its own.
        """
        module = quick(self.module)
        once = partial(upscale_tiled, module, tile=tile_size(module, tile))
        return partial(self_ensemble, once) if ensemble else once

    def pixel_upscaler(
        self, tile: int | str, ensemble: bool, precision: UpscalePrecision
    ) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
        """Return the function that upscales pixels and yields their rows as they are done.

        It maps ``(H, W, 1 to 4)``, uint8 or uint16, to rows ``(h, s W, 1 to 4)`` of the same type,
        with the heads in their simplest form.

        Raises:
            UserError: ``tile`` is no size; when it runs, the memory is too little.
        """
        module: Model = quick(simplify(self.module))
        size = tile_size(module, tile)
        at_once = automatic_number(module, size)
        device = device_of(module, torch.empty(0))

        @lru_cache
        def on_pixels(kind: torch.dtype) -> OnPixels:
            once = copy.deepcopy(module)
            return OnPixels(SelfEnsemble(once, size) if ensemble else once, self.colour.value, kind)

        def upscale(pixels: np.ndarray) -> Iterator[np.ndarray]:
            model = on_pixels(layers_for(precision, device, pixels.dtype))
            with enough_memory("tile, which is in low-resolution pixels: tile=128"):
                yield from upscale_pixels(model, pixels, size, at_once)

        return upscale


def layers_for(precision: UpscalePrecision, device: torch.device, levels: np.dtype) -> torch.dtype:
    """Return the number type of the layers of a network that is used on pixels of a type.

    Half precision has too few digits for the 65,536 levels of 16-bit pictures.
    """
    if precision != UpscalePrecision.auto:
        return layer_type(precision.value)
    return layer_type("fp16" if device.type == "cuda" and levels == np.uint8 else "fp32")


def tile_size(module: Model, tile: int | str) -> int:
    """Return the size of tiles that ``tile`` asks for: a number, or ``auto``.

    Raises:
        UserError: It is neither.
    """
    if tile == "auto":
        return automatic_tile(module)
    if not isinstance(tile, int) or tile < 0:
        raise UserError(
            f"tile must be auto, a number of pixels, or 0 for whole pictures, got {tile}"
        )
    return tile


def trusted_roots(trust: Sequence[str]) -> tuple[str, ...]:
    """Return what a config from a file may name: our networks, torch.nn, and ``trust``."""
    return (*TRUSTED, *trust)


def load_network(config: NetworkConfig, device: torch.device) -> Network:
    """Build the network that ``checkpoint`` asks for, or a ``model`` without weights.

    Raises:
        UserError: Neither or both are given, or they do not fit the other keys.
    """
    if config.checkpoint is not None and config.model:
        raise UserError("give checkpoint=FILE or model=bicubic|bilinear|nearest, not both")
    if config.checkpoint is not None:
        return _from_checkpoint(config, checkpoint_file(config.checkpoint), device)
    if not config.model:
        raise UserError(
            f"give checkpoint=FILE, or model=bicubic, bilinear, nearest or one that comes with "
            f"srlab: {', '.join(shipped())}"
        )
    network = named_network(config, device)
    if any(True for _ in network.module.parameters()):
        raise UserError(
            f"this model has weights: train it and give checkpoint=RUN/last.pt, or take one that "
            f"comes with srlab: model={'|'.join(shipped())}"
        )
    return network


def named_network(config: NetworkConfig, device: torch.device) -> Network:
    """Build the network that ``model`` names, as it is born.

    Raises:
        UserError: It does not fit the other keys.
    """
    scale = check_scale(config.scale)
    check({"model": config.model})
    check_upsampler_used(config.model, config.upsampler)
    colour = config.colour or Colour.y
    module = build(config.model, "model").eval()
    check_network(module, scale, colour)
    method = method_of(config.model)
    return Network(module.to(device), scale, colour, method or "baseline", method, None)


def check_network(module: Any, scale: int, colour: Colour) -> None:
    """Check that a built model is a network for a scale and a colour.

    Raises:
        ConfigError: It says otherwise of itself, or says nothing.
    """
    missing = [key for key in ("scale", "channels", "halo", "frame") if not hasattr(module, key)]
    if missing:
        raise ConfigError(f"model: {type(module).__name__} has no {', '.join(missing)}")
    if module.scale != scale:
        raise ConfigError(f"model.scale is {module.scale}, but scale={scale}")
    if module.channels != CHANNELS[colour.value]:
        raise ConfigError(f"model.channels is {module.channels}, but colour={colour.value}")
    wanted = (1, module.channels, 9 * scale, 10 * scale)
    try:
        with torch.inference_mode():
            got = tuple(module(torch.zeros(1, module.channels, 9, 10)).shape)
    except RuntimeError as error:
        raise ConfigError(f"the network fails: {str(error).splitlines()[0]}") from None
    if got != wanted:
        raise ConfigError(
            f"the network makes {got[-2]}x{got[-1]} of 9x10 pixels, not {wanted[-2]}x{wanted[-1]}: "
            f"does its upsampler use up its frame of halo pixels?"
        )


def checkpoint_file(path: str | Path) -> Path:
    """Return the checkpoint that a path names: a file, or a run folder's ``last.pt``.

    Where there is neither, the name of a model that comes with srlab stands for its file.

    Raises:
        UserError: The path is empty.
    """
    if not str(path):
        raise UserError("no checkpoint is given: name a file, or the folder of a run")
    given, path = str(path), Path(path).expanduser()
    if not path.exists() and given in shipped():
        return shipped()[given]
    return path / "last.pt" if path.is_dir() else path


def beside(checkpoint: Path, name: str) -> Path:
    """Return the path of a file or folder beside a checkpoint, or here for one of srlab's own."""
    return Path(name) if checkpoint in shipped().values() else checkpoint.with_name(name)


def load(path: str | Path, trust: Sequence[str] = ()) -> Model:
    """Return the network of a checkpoint, of an exported model, or of one that comes with srlab.

    Args:
        path: A file, a run folder, or a name, as ``compact_x3``.
        trust: See ``load_checkpoint``.

    Returns:
        The network on the CPU, in evaluation mode: ``(N, C, H, W)`` to ``(N, C, s H, s W)``, in
        ``[0, 1]``, where C is 1 for luma (``srlab.luma``) or 3 for RGB.

    Raises:
        UserError: See ``load_checkpoint``.
    """
    return load_checkpoint(path, trust)[0]


def load_checkpoint(path: str | Path, trust: Sequence[str] = ()) -> tuple[Model, dict[str, Any]]:
    """Rebuild the network of a checkpoint, on the CPU, and return it with the config of its run.

    Args:
        path: A checkpoint, a run folder, which stands for its ``last.pt``, or the name of a model
            that comes with srlab.
        trust: Packages, besides srlab's and torch's own layers, that the file may name.

    Raises:
        UserError: The file is no checkpoint, is damaged, or names what is not trusted.
    """
    path = checkpoint_file(path)
    checkpoint = read_checkpoint(path)
    config = checkpoint["config"]
    try:
        check({"model": config["model"]}, trusted_roots(trust))
        with without_warning(), AtMost(checkpoint["weights"].values()):
            module = build(config["model"], "model")
        check_network(module, check_scale(config["scale"]), Colour(config["colour"]))
        module.load_state_dict(checkpoint["weights"])
    except ConfigError as error:
        raise UserError(f"{path} cannot be built: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is damaged, weights and config differ: {reason}") from None
    return module.eval(), config


def _from_checkpoint(config: NetworkConfig, path: Path, device: torch.device) -> Network:
    module, made_with = load_checkpoint(path, config.trust)
    check_asked(config, made_with, path)
    scale, colour, model = made_with["scale"], Colour(made_with["colour"]), made_with["model"]
    name = made_with.get("name") or "run"
    label = str(name) if path.suffix == ".safetensors" else f"{name} ({path.stem})"
    return Network(module.to(device), scale, colour, label, method_of(model), path)


def check_asked(config: NetworkConfig, made_with: dict[str, Any], path: Path) -> None:
    """Check that what is asked beside a checkpoint is what it was trained for.

    Raises:
        UserError: Scale or colour are others, or an upsampler is asked for.
    """
    scale, colour = made_with["scale"], Colour(made_with["colour"])
    what = path.stem if path in shipped().values() else path
    if config.scale is not None and config.scale != scale:
        raise UserError(f"{what} was trained for scale {scale}, but scale={config.scale} is asked")
    if config.colour is not None and config.colour != colour:
        raise UserError(
            f"{what} was trained for colour {colour.value}, "
            f"but colour={config.colour.value} is asked"
        )
    if config.upsampler:
        raise UserError("a checkpoint has its upsampler; srlab convert gives it another")


def method_of(model: dict[str, Any]) -> str | None:
    """Return the paper's name for a model config, or None if no paper has just this network."""
    upsampler = model.get("upsampler") or {}
    kind = str(model.get("_target_", "")).rpartition(".")[2]
    head = str(upsampler.get("_target_", "")).rpartition(".")[2]
    if model.get("residual", "none") != "none":
        return None
    if kind == "EDSR" and head == "Staged" and model.get("channels") == 3:
        size = [model.get(key) for key in ("blocks", "features", "block_scale")]
        stage = str(upsampler.get("stage", {}).get("_target_", "")).rpartition(".")[2]
        return "EDSR-baseline" if size == [16, 64, 1.0] and stage == "PixelShuffle" else None
    if model.get("channels") != 1:
        return None
    if kind == "Plain" and head == "Interpolate":
        return str(upsampler.get("mode"))
    if kind == "SRCNN" and head == "Interpolate" and upsampler.get("mode") == "bicubic":
        return f"SRCNN {model.get('kernels')}"
    if kind == "ESPCN" and head == "PixelShuffle" and upsampler.get("kernel_size") == 3:
        return f"ESPCN {model.get('activation')}"
    if kind == "FSRCNN" and head == "Deconv" and upsampler.get("kernel_size") == 9:
        size = [model.get(key) for key in ("features", "shrunk", "depth")]
        return "FSRCNN" if size == [56, 12, 4] else None
    if kind == "VDSR" and head == "Interpolate" and upsampler.get("mode") == "bicubic":
        return "VDSR" if [model.get("depth"), model.get("features")] == [20, 64] else None
    return None


def ripple_on_flats(upscale: Callable[[Tensor], Tensor], model: Model) -> float:
    """Return the ripple of what ``upscale``, which runs a model, makes of flat pictures."""
    border = min(model.halo, _BORDER)
    return flat_ripple(upscale, model.scale, model.channels, border, model.grid)


def costs_of(network: Model) -> dict[str, float]:
    """Return the multiply-adds per SR pixel, by layer; none if they cannot be counted."""

    def run_network(module: nn.Module, rows: int, columns: int) -> Tensor:
        return module(torch.empty(1, network.channels, rows, columns, device="meta"))

    step = max(12, 4 * network.grid)
    try:
        costs = multiply_adds(network, run_network, step)
    except RuntimeError:  # a foreign layer that wants values
        return {}
    return {name: count / network.scale**2 for name, count in costs.items()}
