"""Networks whose upsamplers are of any scale, at others than their own."""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from srlab.assembly.checkpoints import check_network
from srlab.config.build import build, without_warning
from srlab.config.ranges import check_scale
from srlab.errors import ConfigError, UserError
from srlab.models.base import Model, misfit
from srlab.upsamplers.simplify import upsamplers_of
from srlab.words import Colour


def is_of_any_scale(model: Model) -> bool:
    """Tell whether a network has upsamplers, and no weight of them belongs to a scale."""
    heads = [head for _, head in upsamplers_of(model)]
    return bool(heads) and all(head.any_scale for head in heads)


def at_scale(model: Model, made_with: dict[str, Any], scale: int) -> tuple[Model, dict[str, Any]]:
    """Return a network with the same weights at another scale, and the config of its run there.

    Args:
        model: One whose upsamplers are of any scale.
        made_with: The config of its run.
        scale: The factor s.

    Raises:
        UserError: There is no such scale, or another part of the network is of its scale alone.
    """
    node = made_with["model"] | {"scale": check_scale(scale)}
    try:
        with without_warning():
            other = build(node, "model").eval()
        check_network(other, scale, Colour(made_with["colour"]))
        other.load_state_dict(model.state_dict())
    except ConfigError as error:
        raise UserError(f"this network cannot be had at scale {scale}: {error}") from None
    except RuntimeError as error:
        raise UserError(f"this network is of scale {model.scale} alone: {misfit(error)}") from None
    return other, made_with | {"scale": scale, "model": node}


@torch.no_grad()
def parts_by_scale(
    model: Model, node: dict[str, Any], scales: Sequence[int], colour: Colour
) -> dict[int, list[tuple[Any, int, int]]]:
    """Return what of a network has another scale where it is to enlarge by others, too.

    It is tried out: with these scales the network must compute what one does that was built there.

    Args:
        model: The network, on the CPU.
        node: Its config.
        scales: What it is to enlarge by.
        colour: What it sees.

    Returns:
        By scale, the modules whose ``scale`` is another there, each with its own and with that.

    Raises:
        ConfigError: It cannot be had at these scales with the same weights and the same frame.
    """
    found: dict[int, list[tuple[Any, int, int]]] = {}
    if not scales:
        return found
    if not is_of_any_scale(model):
        raise ConfigError(
            f"{type(model).__name__} with such an upsampler is of scale {model.scale} alone: "
            f"trainer.scales goes with upsampler=meta or liif"
        )
    with torch.random.fork_rng(devices=[]):  # a training begins as it would without
        trial = copy.deepcopy(model).eval()
        for parameter in trial.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        for scale in scales:
            other, _ = at_scale(trial, {"model": node, "colour": colour}, scale)
            parts = _differing(model, other)
            if (other.frame, other.halo) != (model.frame, model.halo) or not _alike(
                trial, other, [(trial.get_submodule(name), there) for name, _, there in parts]
            ):
                raise ConfigError(
                    f"{type(model).__name__} sees its picture otherwise at scale {scale} than at "
                    f"{model.scale}, so that it cannot be trained for both"
                )
            found[scale] = [(model.get_submodule(name), own, there) for name, own, there in parts]
    return found


def _differing(model: Model, other: Model) -> list[tuple[str, int, int]]:
    """Return the names of the modules whose scales are others in another network, with both."""
    pairs = zip(model.named_modules(), other.modules(), strict=True)
    both = ((name, getattr(a, "scale", None), getattr(b, "scale", None)) for (name, a), b in pairs)
    return [
        (name, own, there)
        for name, own, there in both
        if isinstance(own, int) and isinstance(there, int) and own != there
    ]


def _alike(trial: Model, other: Model, parts: Sequence[tuple[Any, int]]) -> bool:
    """Tell whether a network with other scales within computes what another does; then put back."""
    before = [module.scale for module, _ in parts]
    for module, there in parts:
        module.scale = there
    lr = torch.rand(1, trial.channels, 17, 19)
    wanted = other(lr)
    try:
        made = trial(lr)
    except RuntimeError:  # sizes within that do not fit
        return False
    for (module, _), own in zip(parts, before, strict=True):
        module.scale = own
    return made.shape == wanted.shape and torch.allclose(made, wanted, rtol=1e-4, atol=1e-4)
