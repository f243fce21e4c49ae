"""The network of a command: from a checkpoint, or a model without weights."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srlab.assembly.checkpoints import check_network, checkpoint_file, load_checkpoint
from srlab.assembly.scales import at_scale, is_of_any_scale
from srlab.config.build import build
from srlab.config.check import check, check_upsampler_used
from srlab.config.ranges import SEED_RANGE, check_scale
from srlab.config.schema import BenchUseConfig, NetworkConfig
from srlab.errors import UserError
from srlab.evaluation.methods import method_of
from srlab.imaging.resample import Interpolation
from srlab.inference.ensemble import SelfEnsemble, self_ensemble
from srlab.inference.fast_copy import fast_copy
from srlab.inference.pixels import OnPixels, upscale_pixels
from srlab.inference.sizing import automatic_number, automatic_tile
from srlab.inference.streams import Pixels
from srlab.inference.tiles import device_of, upscale_tiled
from srlab.machine.precision import layer_type
from srlab.machine.shortage import enough_memory
from srlab.models.base import Model
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.simplify import simplify
from srlab.weights import EXAMPLE, shipped
from srlab.words import Colour, UpscalePrecision


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
        made_with: The config of the run that made it, or of the model alone.
    """

    module: Model
    scale: int
    colour: Colour
    label: str
    method: str | None
    checkpoint: Path | None
    made_with: dict[str, Any] = field(default_factory=dict)

    def at(self, scale: int) -> "Network":
        """Return the same network at another scale; where it is of one alone, only that.

        Raises:
            UserError: It is not to be had there.
        """
        if scale == self.scale:
            return self
        module, made_with = at_scale(self.module, self.made_with, scale)
        module.to(device_of(self.module, torch.empty(0)))
        method = method_of(made_with["model"])
        return replace(self, module=module, scale=scale, method=method, made_with=made_with)

    def upscaler(self, tile: int | str, ensemble: bool) -> Callable[[Tensor], Tensor]:
        """Return the function ``lr -> sr`` that runs it in tiles, eight times if ``ensemble``.

        One tile after the other: where there are many pictures, each has a thread of its own.
        """
        module = fast_copy(self.module)
        once = partial(upscale_tiled, module, tile=tile_size(module, tile))
        return partial(self_ensemble, once) if ensemble else once

    def pixel_upscaler(
        self, tile: int | str, ensemble: bool, precision: UpscalePrecision
    ) -> Callable[[Pixels], Iterator[np.ndarray]]:
        """Return the function that upscales pixels and yields their rows as they are done.

        It maps ``(H, W, 1 to 4)``, uint8 or uint16, to rows ``(h, s W, 1 to 4)`` of the same type,
        with the heads in their simplest form.

        Raises:
            UserError: ``tile`` is no size; when it runs, the memory is too little.
        """
        module: Model = fast_copy(simplify(self.module))
        size = tile_size(module, tile)
        at_once = automatic_number(module, size)
        device = device_of(module, torch.empty(0))

        @lru_cache
        def on_pixels(kind: torch.dtype) -> OnPixels:
            once = copy.deepcopy(module)
            return OnPixels(SelfEnsemble(once, size) if ensemble else once, self.colour, kind)

        def upscale(pixels: Pixels) -> Iterator[np.ndarray]:
            model = on_pixels(layers_for(precision, device, pixels.dtype))
            with enough_memory("tile, which is in low-resolution pixels: tile=128"):
                yield from upscale_pixels(model, pixels, size, at_once)

        return upscale


def kernel_of(module: Model) -> Interpolation | None:
    """Return the kernel by which a model without weights makes any size; None of all others."""
    head = module.upsampler if isinstance(module, Plain) else None
    return head.mode if isinstance(head, Interpolate) and not head.whole else None


def layers_for(precision: UpscalePrecision, device: torch.device, levels: np.dtype) -> torch.dtype:
    """Return the number type of the layers of a network that is used on pixels of a type.

    Half precision has too few digits for the 65,536 levels of 16-bit pictures.
    """
    if precision != UpscalePrecision.auto:
        return layer_type(precision)
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
            f"srlab: {EXAMPLE}"
        )
    network = named_network(config, device)
    if any(True for _ in network.module.parameters()):
        raise UserError(
            f"this model has weights: train it and give checkpoint=RUN/last.pt, or take one that "
            f"comes with srlab: model={EXAMPLE}"
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
    made_with = {"scale": scale, "colour": colour, "model": config.model}
    head = config.model.get("upsampler")
    mode = head.get("mode") if isinstance(head, dict) else None  # of an interpolation of RGB, say
    label = method or mode or "baseline"
    return Network(module.to(device), scale, colour, label, method, None, made_with)


def _from_checkpoint(config: NetworkConfig, path: Path, device: torch.device) -> Network:
    module, made_with = asked_checkpoint(config, path)
    scale, colour, model = made_with["scale"], Colour(made_with["colour"]), made_with["model"]
    name = made_with.get("name") or "run"
    label = str(name) if path.suffix == ".safetensors" else f"{name} ({path.stem})"
    return Network(module.to(device), scale, colour, label, method_of(model), path, made_with)


def asked_checkpoint(config: NetworkConfig, path: Path) -> tuple[Model, dict[str, Any]]:
    """Return the network of a checkpoint, at the scale that is asked for, and its run's config.

    Raises:
        UserError: It cannot be read, was trained for another scale, and is not of any, or for
            another colour, or an upsampler is asked for.
    """
    module, made_with = load_checkpoint(path, config.trust)
    scale, colour = made_with["scale"], Colour(made_with["colour"])
    what = path.stem if path in shipped().values() else path
    if config.scale is not None and config.scale != scale:
        if not is_of_any_scale(module):
            raise UserError(
                f"{what} was trained for scale {scale}, but scale={config.scale} is asked"
            )
        module, made_with = at_scale(module, made_with, config.scale)
    if config.colour is not None and config.colour != colour:
        raise UserError(
            f"{what} was trained for colour {colour}, but colour={config.colour} is asked"
        )
    if config.upsampler:
        raise UserError("a checkpoint has its upsampler; srlab convert gives it another")
    return module, made_with


def network_to_measure(config: BenchUseConfig, device: torch.device) -> Network:
    """Build the network that ``checkpoint`` or ``model`` asks for; the latter has random weights.

    Raises:
        UserError: Neither or both are given, or they do not fit the other keys.
    """
    if config.checkpoint is not None and config.model:
        raise UserError("give model=NAME scale=3, or checkpoint=FILE, not both")
    if config.checkpoint is not None:
        return load_network(config, device)
    if not config.model:
        raise UserError("give model=NAME scale=3, or checkpoint=FILE")
    if not 0 <= config.seed < 2**63:
        raise UserError(SEED_RANGE)
    torch.manual_seed(config.seed)
    network = named_network(config, device)
    kind, upsampler = (type(m).__name__ for m in (network.module, network.module.upsampler))
    return replace(network, label=f"{kind} with {upsampler} x{network.scale}", method=None)
