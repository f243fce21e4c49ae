"""Guards: a network is trained for several scales only where it is then what is built at each."""

import pytest
import torch
from common import for_all

from srlab.assembly.scales import parts_by_scale
from srlab.config.build import build
from srlab.config.compose import option_node
from srlab.errors import UserError
from srlab.words import Colour


def node_of(model, upsampler, scale):
    node = option_node("model", model, "model", scale, "y")
    sizes = {"edsr_baseline": {"blocks": 1, "features": 4}, "unet": {"depth": 1, "features": 4}}
    head = option_node("upsampler", upsampler, "upsampler", scale)
    hidden = {"hidden": 8} if upsampler in ("meta", "liif") else {}
    return node | sizes.get(model, {}) | {"upsampler": head | hidden}


def test_at_each_of_its_scales_a_network_is_what_is_built_there():
    def check(model, upsampler):
        node = node_of(model, upsampler, 3)
        network = build(node, "model").eval()
        before = torch.get_rng_state(), {k: w.clone() for k, w in network.state_dict().items()}
        parts = parts_by_scale(network, node, [2, 3, 4], Colour.y)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert list(parts) == [2, 3, 4]
        assert parts[3] == []
        lr = torch.rand(1, 1, 12, 14)
        for scale in (4, 2):
            for module, own, there in parts[scale]:
                assert module.scale == own == 3
                module.scale = there
            built = build(node | {"scale": scale}, "model").eval()
            built.load_state_dict(before[1])
            with torch.no_grad():
                assert (network(lr) - built(lr)).abs().max() < 1e-6
            for module, own, _ in parts[scale]:
                module.scale = own

    for_all(
        [("espcn", "meta"), ("edsr_baseline", "liif"), ("unet", "meta"), ("fsrcnn", "meta")], check
    )


def test_what_is_of_one_scale_is_refused():
    def check(model, upsampler, said):
        node = node_of(model, upsampler, 3)
        with pytest.raises(UserError, match=said):
            parts_by_scale(build(node, "model"), node, [3, 4], Colour.y)

    for_all(
        [
            ("espcn", "deconv", "of scale 3 alone: trainer.scales goes with upsampler=meta"),
            ("srcnn", "liif", "SRCNN sees its picture otherwise at scale 4 than at 3"),
        ],
        check,
    )


def test_a_body_that_knows_its_scale_is_found_by_what_it_computes(monkeypatch):
    node = node_of("espcn", "meta", 3)
    network = build(node, "model")
    forward = type(network).forward

    def knowing(self, lr, halo=0):
        return forward(self, lr, halo) * self.factor

    def built(*given):
        made = build(*given)
        made.factor = made.scale
        return made

    network.factor = 3
    monkeypatch.setattr(type(network), "forward", knowing)
    monkeypatch.setattr("srlab.assembly.scales.build", built)
    with pytest.raises(UserError, match="ESPCN sees its picture otherwise at scale 2 than at 3"):
        parts_by_scale(network, node, [3, 2], Colour.y)
