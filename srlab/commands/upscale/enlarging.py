"""What makes the larger pixels: one network or several in turn, then bicubic to the size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from srlab.assembly.network import Network, kernel_of, load_network, tile_size
from srlab.assembly.scales import is_of_any_scale
from srlab.commands.upscale.asked import Asked, asked_size, by_scale
from srlab.config.ranges import LARGEST_SCALE
from srlab.config.schema import UpscaleConfig
from srlab.errors import UserError
from srlab.imaging.compression import compression_of
from srlab.imaging.sizes import SizeOf, by_factor
from srlab.inference.in_turn import PixelUpscaler, scales_in_turn, upscale_in_turn
from srlab.weights import CLEAN, COMPRESSED, scales_of, shipped
from srlab.words import Colour, Effort

# Pixels (H, W, C) to the rows of the larger picture, from top to bottom; some take the reason why
# they were chosen, too, and tell it.
Upscale = Callable[..., Iterator[np.ndarray]]

_USUAL = 2  # the scale where none is asked for
_NEARLY_CLEAN = 97  # of JPEG: from this quality on CLEAN does better
_TIMES = {
    1: "",
    2: " twice",
    3: " three times",
    4: " four times",
    5: " five times",
    6: " six times",
}


@dataclass(frozen=True)
class Enlarging:
    """How pictures are enlarged.

    Args:
        upscale: What enlarges the frames of videos, and pictures unless ``by_file`` is given.
        size_of: How large each becomes.
        mark: What names of files say of it.
        rgb: Whether the networks see RGB, not luma.
        by_file: What enlarges a picture file.
    """

    upscale: Upscale
    size_of: SizeOf
    mark: str
    rgb: bool
    by_file: Callable[[Path], Upscale] | None = None

    def of(self, path: Path) -> Upscale:
        """Return what enlarges the picture of a file."""
        return self.upscale if self.by_file is None else self.by_file(path)


def enlarging_of(config: UpscaleConfig, device: torch.device) -> Enlarging:
    """Load what ``checkpoint``, ``model`` or neither of them names, for the size asked for.

    Raises:
        UserError: It cannot be used, or the size makes no sense.
    """
    asked = asked_size(config)
    if config.effort is not None and (config.checkpoint is not None or config.model):
        raise UserError(
            f"effort={config.effort} chooses among the models that come with srlab: leave out "
            f"effort, or model and checkpoint"
        )
    if config.checkpoint is not None:
        network = load_network(replace(config, scale=None), device)
        scale = network.scale
        if scale == 1:
            return _at_its_size(config, asked, network)
        asked = asked or by_scale(scale)
        say = partial(_own_said, network.label, scale, asked.goal)
        any_scale = is_of_any_scale(network.module)
        scales = range(2, LARGEST_SCALE + 1) if any_scale else (scale,)
        return _by_networks(config, asked, scales, network.at, say, set())
    if config.model:
        return _by_kernel(config, asked, device)
    return _by_what_comes_along(config, asked or by_scale(_USUAL), device)


def _by_what_comes_along(config: UpscaleConfig, asked: Asked, device: torch.device) -> Enlarging:
    """Enlarge each picture by a family that has learnt its kind, and videos by one of CLEAN.

    ``effort`` says which of them; where a colour is asked for, it is one that sees it.
    """
    files, told = shipped(), set[str]()
    only = {Colour.y: CLEAN, Colour.rgb: COMPRESSED}.get(config.colour) if config.colour else None
    effort = config.effort or Effort.balanced

    @lru_cache
    def enlarging(family: str) -> Enlarging:
        def load(scale: int) -> Network:
            file = str(files[f"{family}_x{scale}"])
            return load_network(replace(config, scale=None, checkpoint=file), device)

        say = partial(_shipped_said, asked.goal, family)
        return _by_networks(config, asked, scales_of(family), load, say, told)

    def by_file(path: Path) -> Upscale:
        families, reason = (only, "") if only else _families_for(path)
        return partial(enlarging(families[effort]).upscale, reason=reason)

    def of_frame(pixels: np.ndarray) -> Iterator[np.ndarray]:
        family = (only or CLEAN)[config.effort or Effort.fast]
        reason = "" if config.effort else "the quickest, as videos have many frames"
        return enlarging(family).upscale(pixels, reason=reason)

    usual = enlarging((only or CLEAN)[effort])
    return replace(usual, upscale=of_frame, by_file=by_file)


def _families_for(path: Path) -> tuple[dict[str, str], str]:
    """Return the families of models for a picture file, by effort, and why they are."""
    found = compression_of(path)
    if found is None:
        return CLEAN, f"as {path.name} is lossless"
    if found.quality is None:
        return COMPRESSED, f"as {path.name} is a lossy {found.codec}"
    families = CLEAN if found.quality >= _NEARLY_CLEAN else COMPRESSED
    return families, f"as {path.name} is a {found.codec} of quality {found.quality}"


def _by_networks(
    config: UpscaleConfig,
    asked: Asked,
    scales: Sequence[int],
    load: Callable[[int], Network],
    say: Callable[[tuple[int, ...], bool, str], str],
    told: set[str],
) -> Enlarging:
    """Enlarge by networks of some scales, each loaded when it is first wanted.

    One is loaded here: by then it is known whether it can be used. ``say`` says what is taken, and
    for which reason; ``told`` holds what was said, without reasons, as each is said once.
    """
    load = lru_cache(load)

    def tell(chosen: tuple[int, ...], exact: bool, reason: str) -> None:
        shrunk = f"by bicubic to {asked.goal} where a picture has as many pixels, or more"
        said = say(chosen, exact, "") if chosen else shrunk
        if said and said not in told:
            told.add(said)
            print(say(chosen, exact, reason) if chosen else shrunk)

    @lru_cache
    def upscaler(scale: int) -> PixelUpscaler:
        return load(scale).pixel_upscaler(config.tile, config.ensemble, config.precision)

    def upscale(pixels: np.ndarray, reason: str = "") -> Iterator[np.ndarray]:
        size = pixels.shape[0], pixels.shape[1]
        new = asked.size_of(*size)
        chosen, exact = scales_in_turn(size, new, scales)
        tell(chosen, exact, reason)
        return upscale_in_turn(pixels, [(scale, upscaler(scale)) for scale in chosen], new)

    first = min(scales)
    if asked.factor is not None:
        parts, whole = asked.factor.denominator, asked.factor.numerator
        first = scales_in_turn((parts, parts), (whole, whole), scales)[0][0]
    upscaler(first)
    return Enlarging(upscale, asked.size_of, asked.mark, load(first).colour == Colour.rgb)


def _at_its_size(config: UpscaleConfig, asked: Asked | None, network: Network) -> Enlarging:
    """Restore pictures by a network of scale 1.

    Raises:
        UserError: Another size is asked for.
    """
    if asked is not None:
        raise UserError(
            f"{network.label} restores pictures at their size (scale 1): leave out scale, size, "
            f"width and height"
        )
    upscale = network.pixel_upscaler(config.tile, config.ensemble, config.precision)
    rgb = network.colour == Colour.rgb
    return Enlarging(upscale, by_factor(1), "restored", rgb)


def _by_kernel(config: UpscaleConfig, asked: Asked | None, device: torch.device) -> Enlarging:
    """Enlarge by a model without weights: to any size in one step, by its kernel.

    Raises:
        UserError: It has weights, or it is none that makes any size.
    """
    scale = asked.scale if asked is not None else None
    if asked is None or scale is not None:
        if config.model.get("scale") == config.scale:  # which may have been written as 2.0
            config = replace(config, model={**config.model, "scale": scale})
        network = load_network(replace(config, scale=scale), device)
        asked = asked or by_scale(network.scale)
        upscale = network.pixel_upscaler(config.tile, config.ensemble, config.precision)
        return Enlarging(upscale, asked.size_of, asked.mark, network.colour == Colour.rgb)
    model = {**config.model, "scale": _USUAL}
    network = load_network(replace(config, scale=_USUAL, model=model), device)
    mode = kernel_of(network.module)
    if mode is None:
        raise UserError(
            "of the models without weights bicubic, bilinear and nearest make any size, and others "
            "whole scales only: add scale=2, 3 or 4"
        )
    tile_size(network.module, config.tile)  # which must be one, although none is needed
    size_of = asked.size_of

    def resize(pixels: np.ndarray) -> Iterator[np.ndarray]:
        return upscale_in_turn(pixels, [], size_of(pixels.shape[0], pixels.shape[1]), mode)

    return Enlarging(resize, size_of, asked.mark, network.colour == Colour.rgb)


def _shipped_said(goal: str, family: str, scales: tuple[int, ...], exact: bool, reason: str) -> str:
    """Say which of the models that come with srlab are taken, and why."""
    names = [f"{family}_x{scale}" for scale in dict.fromkeys(scales)]
    if len(names) == 1:
        by = f"{names[0]}{_TIMES[len(scales)]}, which comes with srlab"
    else:
        by = f"{' and '.join(names)} in turn, which come with srlab"
    because = f", {reason}" if reason else ""
    return f"by {by}{_then(goal, exact)}{because}; model=list names the others"


def _own_said(
    label: str, scale: int, goal: str, scales: tuple[int, ...], exact: bool, _: str
) -> str:
    """Say how a network makes another size than its own, and at which scale if not at its own."""
    if scales[0] != scale:  # one of any scale, which makes it at once
        return f"by {label} of x{scale}, as it is at x{scales[0]}{_then(goal, exact)}"
    if not exact or len(scales) > 1:
        return f"by {label} of x{scale}{_TIMES[len(scales)]}{_then(goal, exact)}"
    return ""


def _then(goal: str, exact: bool) -> str:
    return "" if exact else f", then bicubic down to {goal}"
