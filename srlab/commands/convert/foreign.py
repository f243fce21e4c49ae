"""``srlab convert from=FILE``: bring in a network of others, as a checkpoint of ours."""

from functools import partial
from pathlib import Path
from typing import Any

from srlab.assembly.checkpoints import check_network
from srlab.config.build import build, without_warning
from srlab.config.compose import option_node
from srlab.config.ranges import check_scale
from srlab.config.schema import ConvertConfig
from srlab.data import photos
from srlab.data.pairs import read_pairs
from srlab.errors import ConfigError, UserError
from srlab.evaluation.score import score_images, smallest_side
from srlab.imaging.resample import enlarge
from srlab.interchange.foreign import read_weights
from srlab.interchange.layouts.known import recognise
from srlab.interchange.layouts.parts import Foreign
from srlab.measuring.cost import parameter_count
from srlab.models.base import MID_GREY, Model
from srlab.storage.checkpoint import check_new_checkpoint, save
from srlab.words import Colour

_SIDE = 96  # low-resolution pixels of the photograph that it is tried on


def run(config: ConvertConfig) -> None:
    """Write the checkpoint and say what was recognised.

    Raises:
        UserError: The file cannot be read or is of no known layout, the scale is missing or another
            one, or keys are given that do not go with ``from``.
    """
    if not config.source:
        raise UserError("from= names no file: add from=FILE")
    if config.checkpoint is not None or config.upsampler or config.trust:
        raise UserError(
            "from=FILE goes with output= and scale= only: give the network another upsampler "
            "afterwards, by checkpoint=FILE upsampler=NAME"
        )
    source = Path(config.source).expanduser()
    theirs = read_weights(source)
    try:
        layout, found = recognise(theirs, MID_GREY)
    except ValueError as error:
        raise UserError(f"{source} {error}") from None
    scale = _scale(source, layout, found.scale, config.scale)
    output = Path(config.output).expanduser() if config.output else _beside(source)
    check_new_checkpoint(output)
    try:
        network, made_with = _network(found, scale)
    except (ValueError, ConfigError) as error:
        raise UserError(f"{source} looks like {layout}, but {error}") from None
    save(output, {"config": made_with | {"name": source.stem}, "weights": network.state_dict()})

    size = parameter_count(network)
    colour = "Y" if found.channels == 1 else "RGB"
    print(f"recognised: {layout}")
    print(f"network: {found.title} x{scale}, {colour}, {size:,} parameters")
    print(f"mapped: {len(theirs)} tensors of theirs to {len(found.weights)} of ours")
    but = f" but within {network.halo} low-resolution pixels of its border, where {found.border}"
    print(f"the same picture{but if found.border else ', its border too'}")
    if scale > 1:
        print(_tried(network, Colour(made_with["colour"])))
    print(f"written: {output}")


def _tried(network: Model, colour: Colour) -> str:
    """Say how well a network enlarges a part of a photograph, beside bicubic."""
    scale = network.scale
    [pair, *_] = read_pairs(photos.held_out(), scale, colour, smallest_side(scale))
    rows, columns = (slice(top := max(0, n - _SIDE) // 2, top + _SIDE) for n in pair.lr.shape[:2])
    of_hr = [slice(scale * s.start, scale * s.stop) for s in (rows, columns)]
    part = [(pair.name, pair.lr[rows, columns], pair.hr[of_hr[0], of_hr[1]])]
    upscalers = (network, partial(enlarge, scale=scale))
    ours, bicubic = (score_images(upscale, part, scale)[0].psnr for upscale in upscalers)
    said = f"on a part of the photograph {pair.name}: {ours:.2f} dB, bicubic {bicubic:.2f}"
    if ours >= bicubic:
        return said
    return f"{said}; are these the weights of another scale, or of other pixels?"


def _beside(source: Path) -> Path:
    return source.with_name(f"{source.stem}-srlab.pt")


def _scale(source: Path, layout: str, known: int | None, asked: int | None) -> int:
    """Return the scale of the network.

    Raises:
        UserError: It is not known, or another one is asked for.
    """
    if known is None and asked is None:
        raise UserError(
            f"{source} looks like {layout}, whose scale does not show in its weights: "
            f"add scale=2, 3 or 4"
        )
    if known is not None and asked not in (None, known):
        raise UserError(f"{source} is of scale {known}, but scale={asked} is asked")
    return check_scale(asked if known is None else known)


def _network(found: Foreign, scale: int) -> tuple[Model, dict[str, Any]]:
    """Build the network with its weights, and return it with its config.

    Raises:
        ValueError, ConfigError: Ours cannot be had with these channels, features or scale.
    """
    colour = {1: Colour.y, 3: Colour.rgb}.get(found.channels)
    if colour is None:
        raise ValueError(f"it sees {found.channels} channels, and ours see 1 (Y) or 3 (RGB)")
    head = option_node("upsampler", found.upsampler, "upsampler", scale) | found.upsampler_options
    model = option_node("model", found.model, "model", scale, colour)
    model |= found.options | {"upsampler": head}
    with without_warning():
        network = build(model, "model").eval()
    network.load_state_dict({key: weight.float() for key, weight in found.weights.items()})
    check_network(network, scale, colour)
    config = {"scale": scale, "colour": str(colour), "model": model, "upsampler": head}
    return network, config
