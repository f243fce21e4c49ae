"""What is asked to be judged: one network, or several beside bicubic, scale by scale."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import ceil
from typing import Any

import torch
from torch import Tensor

from srlab.assembly.network import Network, kernel_of, load_network
from srlab.assembly.scales import is_of_any_scale
from srlab.config.compose import option_node
from srlab.config.ranges import check_factor, check_scale
from srlab.config.schema import EvaluateConfig, NetworkConfig
from srlab.degradations.degradation import BICUBIC, Degradation
from srlab.errors import UserError
from srlab.imaging.sizes import quotient
from srlab.inference.ensemble import self_ensemble
from srlab.inference.in_turn import at_factor
from srlab.weights import shipped
from srlab.words import Colour

_REFERENCE = "bicubic"  # on top of every block of a table


@dataclass(frozen=True)
class Row:
    """A row of the table: a network, and how it is run.

    Args:
        network: It, with the label of the row.
        given: What it was asked for by; of what has no weights, what it sees.
        ensemble: Whether it is run eight times.
        asked: Whether it was asked for; bicubic stands above several anyway.
        factor: A scale that is not whole, by which it is judged instead of its own, the next one.
    """

    network: Network
    given: str
    ensemble: bool
    asked: bool = True
    factor: float | None = None

    @property
    def scale(self) -> float:
        """The factor by which it is judged."""
        return self.network.scale if self.factor is None else self.factor

    @property
    def place(self) -> tuple[float, Colour]:
        """Scale and colour: rows for which they are equal are judged on the same pictures."""
        return self.scale, self.network.colour

    def upscaler(self, tile: int | str) -> Callable[[Tensor], Tensor]:
        """Return the function ``lr -> sr`` that it is judged by."""
        if self.factor is None:
            return self.network.upscaler(tile, self.ensemble)
        factor, mode = quotient(self.factor), kernel_of(self.network.module)
        if mode is None:
            once = at_factor(self.network.upscaler(tile, ensemble=False), factor)
        else:
            once = at_factor(lambda lr: lr, factor, mode)
        return partial(self_ensemble, once) if self.ensemble else once


def is_several(config: EvaluateConfig) -> bool:
    """Tell whether several networks or scales are asked for: a list, of one too."""
    return bool(config.models) or any(
        isinstance(v, list) for v in (config.checkpoint, config.scale)
    )


def asked_rows(config: EvaluateConfig, device: torch.device) -> list[Row]:
    """Build all networks that are asked for; of several, by scale and colour below bicubic.

    Raises:
        UserError: There is none, or one is damaged, not trusted, or for another scale or colour.
    """
    scales = list(dict.fromkeys(check_factor(scale) for scale in as_list(config.scale)))
    if is_several(config):
        return _labelled(_several(config, scales, device))
    if scales and _fraction(scales[0]):
        raise UserError(
            f"scale={scales[0]} is judged beside bicubic, in a table of its own: write scale=2.5 "
            f"without -m and +"
        )
    asked = NetworkConfig(
        checkpoint=config.checkpoint,
        scale=int(scales[0]) if scales else None,
        colour=config.colour,
        trust=config.trust,
        model=config.model,
        upsampler=config.upsampler,
    )
    return _labelled([Row(load_network(asked, device), "", config.ensemble)])


def _several(config: EvaluateConfig, scales: list[float], device: torch.device) -> list[Row]:
    """Return the rows, bicubic first in each block.

    Raises:
        UserError: See ``asked_rows``.
    """
    if config.upsampler:
        raise UserError("a checkpoint has its upsampler; srlab convert gives it another")
    names = dict.fromkeys([*config.models, *as_list(config.checkpoint)])
    plain = [n for n in config.models if n not in shipped()]
    trained = {n: _trained(config, n, scales, device) for n in names if n not in plain}
    colours = {config.colour} if config.colour else {r[0].network.colour for r in trained.values()}
    places = {row.place for rows in trained.values() for row in rows}
    places |= set(product(scales, colours or {Colour.y}))
    if not places:
        for name in plain:  # which may be no model at all
            option_node("model", name, "model", scale=2)
        check_scale(None)
    rows = []
    for place in sorted(places):
        first = replace(_baseline(config, _REFERENCE, place, device), ensemble=False)
        rows.append(replace(first, asked=_REFERENCE in plain))
        for name in names:
            if name in trained:
                rows += [row for row in trained[name] if row.place == place]
            elif name in plain and name != _REFERENCE:
                rows.append(_baseline(config, name, place, device))
    return rows


def _trained(
    config: EvaluateConfig, path: str, scales: list[float], device: torch.device
) -> list[Row]:
    """Return the rows of a checkpoint, or of a model that comes with srlab.

    At all scales where it is of any, else at its own; and at those between its own and the next
    smaller whole one.

    Raises:
        UserError: It is damaged or not trusted, or for a scale or colour that is not asked for.
    """
    asked = NetworkConfig(checkpoint=path, colour=config.colour, trust=config.trust)
    network = load_network(asked, device)
    any_scale = is_of_any_scale(network.module)
    made = [scale for scale in scales if any_scale or ceil(scale) == network.scale]
    if scales and not made:
        said = scales[0] if len(scales) == 1 else scales
        raise UserError(f"{path} was trained for scale {network.scale}, but scale={said} is asked")
    factors = [(ceil(scale), _fraction(scale)) for scale in made] or [(network.scale, None)]
    return [Row(network.at(s), path, config.ensemble, factor=factor) for s, factor in factors]


def _baseline(
    config: EvaluateConfig, name: str, place: tuple[float, Colour], device: torch.device
) -> Row:
    """Return the row of a model without weights.

    Raises:
        UserError: It has some, or does not fit.
    """
    factor, colour = place
    scale = ceil(factor)
    node = option_node("model", name, "model", scale, colour)
    network = load_network(NetworkConfig(scale=scale, colour=colour, model=node), device)
    row = Row(replace(network, label=name), str(colour), config.ensemble)
    return replace(row, factor=_fraction(factor))


def _labelled(rows: list[Row]) -> list[Row]:
    """Give rows of a scale labels that differ: by what was asked for, where need be."""
    often = [(row.scale, row.network.label) for row in rows]
    done = []
    for row in rows:
        network = row.network
        label = network.label
        if often.count((row.scale, label)) > 1:
            label += f", {row.given}"
        if row.ensemble:
            network = replace(network, label=f"{label} + self-ensemble", method=None)
        else:
            network = replace(network, label=label)
        done.append(replace(row, network=network))
    return done


def other_degradations(networks: Iterable[Network], judged_by: Degradation | None) -> list[str]:
    """Say which networks were trained on low resolution that was made otherwise than here."""
    told = []
    for network in networks:
        node = network.made_with.get("degradation") or {}
        trained = node.get("name", BICUBIC) if isinstance(node, dict) else BICUBIC
        judged = judged_by.preset if judged_by else BICUBIC
        if any(True for _ in network.module.parameters()) and trained != judged:
            told.append(
                f"{network.label} was trained on low resolution by {trained}, and is judged on "
                f"that by {judged}"
            )
    return told


def _fraction(factor: float) -> float | None:
    return None if factor == int(factor) else factor


def as_list(asked: Any) -> list[Any]:
    """Return what was asked for, one or several, as a list; of nothing an empty one."""
    if asked is None:
        return []
    return asked if isinstance(asked, list) else [asked]
