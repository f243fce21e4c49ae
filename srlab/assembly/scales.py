"""Networks whose upsamplers are of any scale, at another than their own."""

from typing import Any

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
