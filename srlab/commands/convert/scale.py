"""``srlab convert scale=N``: a network whose upsampler is of any scale, at one."""

from typing import Any

from srlab.assembly.scales import at_scale, is_of_any_scale
from srlab.config.compose import option_node
from srlab.errors import UserError
from srlab.models.base import Model
from srlab.upsamplers.linear import NotLinear, subpixel_form
from srlab.upsamplers.simplify import upsamplers_of


def taken_to(model: Model, made_with: dict[str, Any], scale: int) -> tuple[Model, dict[str, Any]]:
    """Return a network with the same weights at another scale, and the config of its run there.

    Raises:
        UserError: Its upsampler, or another part of it, is of its scale alone.
    """
    if not is_of_any_scale(model):
        fixed = [head for _, head in upsamplers_of(model) if not head.any_scale]
        kind = type(fixed[0]).__name__ if fixed else type(model).__name__
        raise UserError(
            f"{kind} is of scale {model.scale} alone: scale= goes with from=FILE, or with a "
            f"checkpoint of upsampler=meta or liif"
        )
    return at_scale(model, made_with, scale)


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
