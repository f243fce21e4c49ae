"""``srlab convert scale=N``: a network whose upsampler is of any scale, at one."""

from typing import Any

from srlab.config.build import build, without_warning
from srlab.config.compose import option_node
from srlab.config.ranges import check_scale
from srlab.errors import ConfigError, UserError
from srlab.models.base import Model, misfit
from srlab.upsamplers.linear import NotLinear, subpixel_form
from srlab.upsamplers.simplify import upsamplers_of


def at_scale(model: Model, made_with: dict[str, Any], scale: int) -> tuple[Model, dict[str, Any]]:
    """Return a network with the same weights at another scale, and the config of its run there.

    Raises:
        UserError: Its upsampler, or another part of it, is of its scale alone.
    """
    fixed = [head for _, head in upsamplers_of(model) if not head.any_scale]
    if fixed or not any(True for _ in upsamplers_of(model)):
        kind = type(fixed[0]).__name__ if fixed else type(model).__name__
        raise UserError(
            f"{kind} is of scale {model.scale} alone: scale= goes with from=FILE, or with a "
            f"checkpoint of upsampler=meta or liif"
        )
    node = made_with["model"] | {"scale": check_scale(scale)}
    try:
        with without_warning():
            other = build(node, "model").eval()
        other.load_state_dict(model.state_dict())
    except ConfigError as error:
        raise UserError(f"this network cannot be had at scale {scale}: {error}") from None
    except RuntimeError as error:
        raise UserError(f"this network is of scale {model.scale} alone: {misfit(error)}") from None
    return other, made_with | {"scale": scale, "model": node}


def plain_upsampler(model: Model, made_with: dict[str, Any]) -> dict[str, Any]:
    """Return the config of what a network's upsampler is at its scale: ``pixel_shuffle``.

    Its own config where it is not linear, and so must stay.
    """
    try:
        for _, head in upsamplers_of(model):
            subpixel_form(head)
    except NotLinear:
        node: dict[str, Any] = made_with["model"]["upsampler"]
        return node
    return option_node("upsampler", "pixel_shuffle", "upsampler", model.scale)
