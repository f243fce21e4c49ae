import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from srlab.assembly.upsampler_family import can_represent, name_of, relatives, some_form
from srlab.command_line.invocation import Invocation
from srlab.commands import describe
from srlab.config.compose import option_node
from srlab.config.schema import DescribeConfig
from srlab.words import Colour
from srlab.errors import UserError
from srlab.measuring.cost import multiply_adds
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.plain import Plain
from srlab.models.srcnn import SRCNN
from srlab.models.unet import UNet
from srlab.testing import upsampler_configs
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.simplify import simplify, upsampler_cost, upsamplers_of
from srlab.upsamplers.staged import Staged

UPSAMPLERS = dict(upsampler_configs())


def described(model, upsampler=None, scale=3, colour="y", plot=None, **options):
    node = option_node("model", model, "model", scale, colour)
    if upsampler is not None:
        node["upsampler"] = option_node("upsampler", upsampler, "upsampler", scale) | options
    config = DescribeConfig(
        scale=scale, colour=Colour(colour), model=node, plot=plot and str(plot),
        upsampler=node["upsampler"],
    )  # fmt: skip
    describe.run(Invocation(config))


# Multiply-adds


def cost(network, channels=1):
    def run(module, rows, columns):
        return module(torch.empty(1, channels, rows, columns, device="meta"))

    return multiply_adds(network, run)


@pytest.mark.parametrize("padding", [0, 1])
def test_a_convolution_costs_its_weights_for_each_pixel_without_its_border(padding):
    conv = nn.Sequential(nn.Conv2d(3, 5, 3, padding=padding), nn.Conv2d(5, 2, 1))
    assert cost(conv, 3) == {"": 145.0, "0": 135.0, "1": 10.0}


def test_a_pooled_convolution_costs_a_quarter():
    network = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 4, 3, padding=1))
    assert cost(network)[""] == 9


@pytest.mark.parametrize(
    ("network", "each"),
    [
        (ESPCN(PixelShuffle, 3), 22_624),  # the papers count the weights, which is the same
        (ESPCN(PixelShuffle, 2), 21_184),
        (FSRCNN(partial(Deconv, kernel_size=9), 3), 12_464),
        (ESPCN(ResizeConv, 3), 20_032 + 32 * 81),  # as the one convolution that it is run as
        (EDSR(partial(Staged, stage=PixelShuffle), 2, blocks=1, features=8),
         72 + 3 * 576 + 4 * 576 + 4 * 72),
    ],
)  # fmt: skip
def test_a_network_costs_what_its_paper_says_for_each_low_resolution_pixel(network, each):
    assert cost(network)[""] == each


def test_a_network_at_high_resolution_costs_its_weights_for_each_high_resolution_pixel():
    bicubic = 5 * 3 + 5 * 9  # separable: 5 taps for s lines, then for s^2 pixels
    assert cost(SRCNN(Interpolate, 3))[""] == 9 * 8_032 + bicubic


# Simplifying


@pytest.mark.parametrize("name", UPSAMPLERS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_simplified_network_computes_the_same_for_no_more_multiply_adds(name, scale):
    network = ESPCN(UPSAMPLERS[name], scale).double().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    simple = simplify(network)
    lr = torch.rand(1, 1, 11, 9, dtype=torch.float64)
    with torch.no_grad():
        assert (network(lr) - simple(lr)).abs().max() < 1e-9
    before, after = (dict(upsamplers_of(n))["upsampler"] for n in (network, simple))
    assert upsampler_cost(after) <= upsampler_cost(before)
    assert type(network.upsampler) is type(before)


@pytest.mark.parametrize("name", UPSAMPLERS)
@pytest.mark.parametrize("scale", [2, 3])
def test_an_upsampler_alone_is_simplified_too(name, scale):
    network = Plain(UPSAMPLERS[name], scale).eval()
    lr = torch.rand(1, 1, 7, 8)
    with torch.no_grad():
        assert (network(lr) - simplify(network)(lr)).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_simplifying_keeps_the_precision_of_the_weights_and_draws_nothing(dtype):
    network = ESPCN(ResizeConv, 4).to(dtype)
    before = torch.get_rng_state()
    assert {p.dtype for p in simplify(network).parameters()} == {dtype}
    assert torch.equal(torch.get_rng_state(), before)


class NeedsValues(Upsampler):
    """An upsampler whose forward looks at values, which the count of multiply-adds has not."""

    def __init__(self, in_channels, out_channels, scale):
        super().__init__(in_channels, out_channels, scale, 0)
        self.conv = nn.Conv2d(in_channels, out_channels * scale**2, 1)

    def forward(self, framed):
        peak = float(framed.max())
        return nn.functional.pixel_shuffle(self.conv(framed / peak), self.scale)


def test_an_upsampler_that_cannot_be_counted_is_left_alone():
    assert isinstance(simplify(ESPCN(NeedsValues, 2)).upsampler, NeedsValues)


def test_weights_that_are_not_finite_are_left_as_they_are():
    network = ESPCN(Deconv, 2)
    nn.init.constant_(network.upsampler.deconv.weight, float("nan"))
    assert isinstance(simplify(network).upsampler, Deconv)


def test_every_upsampler_of_a_u_net_is_simplified():
    simple = simplify(UNet(Deconv, 3, features=4))
    kinds = {name: type(module).__name__ for name, module in upsamplers_of(simple)}
    assert kinds == dict.fromkeys(("steps.0", "steps.1", "upsampler"), "PixelShuffle")


@pytest.mark.parametrize(
    ("make", "scale", "simpler"),
    [
        (Deconv, 3, True),
        (ResizeConv, 3, True),
        (partial(Staged, stage=PixelShuffle), 4, True),
        (partial(Interpolate, mode="bicubic"), 3, False),
        (partial(Boxed, inner=PixelShuffle), 3, False),
    ],
)
def test_an_upsampler_is_replaced_where_its_form_costs_no_more(make, scale, simpler):
    assert isinstance(simplify(ESPCN(make, scale)).upsampler, PixelShuffle) == simpler


def test_wide_stages_stay_because_one_convolution_would_cost_more():
    network = EDSR(partial(Staged, stage=PixelShuffle), 4, blocks=1, features=16)
    assert isinstance(simplify(network).upsampler, Staged)


# Relations


def node(name, scale=3, **options):
    return option_node("upsampler", name, "upsampler", scale) | options


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_deconv_and_a_sub_pixel_convolution_are_the_same_and_hold_a_resize_conv(scale):
    can, by = relatives(node("pixel_shuffle", scale), 32, 1, scale)
    assert "deconv" in can
    assert "deconv" in by
    assert "resize_conv" in can
    assert "resize_conv" not in by
    can, by = relatives(node("resize_conv", scale), 32, 1, scale)
    assert "nearest" in can
    assert {"deconv", "pixel_shuffle"} <= set(by)


def test_bicubic_needs_a_larger_sub_pixel_kernel_than_the_default():
    form = some_form(node("bicubic"), 3, 3, 3)
    assert form.size == 5
    assert not can_represent(node("pixel_shuffle"), form, 3, 3, 3)
    assert can_represent(node("pixel_shuffle", kernel_size=5), form, 3, 3, 3)


def test_an_upsampler_is_called_by_its_option_and_by_what_differs():
    assert name_of(node("deconv"), 3) == "deconv"
    assert name_of(node("deconv", init="icnr"), 3) == "deconv"
    assert name_of(node("deconv", kernel_size=6), 3) == "deconv upsampler.kernel_size=6"
    assert name_of(node("resize_conv", mode="bicubic"), 3) == "resize_conv upsampler.mode=bicubic"


def test_the_page_of_every_upsampler_is_that_of_the_options_there_are():
    page = Path(__file__).parents[2] / "docs" / "upsampler_table.md"
    scale, found = 0, {}
    for line in page.read_text().splitlines():
        if line.startswith("## x"):
            scale = int(line.removeprefix("## x"))
        cells = [cell.strip() for cell in line.split("|")[1:3]]
        if len(cells) == 2 and cells[0] in UPSAMPLERS:
            found[scale, cells[0]] = cells[1]
    made = {(s, name): UPSAMPLERS[name](32, 1, s) for s in (2, 3, 4) for name in UPSAMPLERS}
    counts = {key: f"{sum(p.numel() for p in m.parameters()):,}" for key, m in made.items()}
    assert found == counts


# The command


def test_a_description_has_the_layers_the_costs_and_the_relatives(capsys):
    described("espcn", "deconv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ESPCN with deconv, x3, Y"
    rows = {line.split()[0]: line.split()[-2:] for line in lines if line[:1].isalpha()}
    assert rows["body.0"] == ["1,664", "177.8"]
    assert rows["body.2"] == ["18,464", "2,048.0"]
    assert rows["upsampler"] == ["2,593", "288.0"]
    assert rows["total"] == ["22,721", "2,513.8"]
    text = "\n".join(lines)
    assert "at most 9 x 9 low-resolution pixels" in text
    assert "sub-pixel convolution of kernel 3x3, or a transposed convolution of kernel 9x9" in text
    assert "checkerboard of its kernel: 0.00 (" in text
    for choice, parameters in (
        ("pixel_shuffle upsampler.kernel_size=3", "2,601"),
        ("deconv upsampler.kernel_size=9", "2,593"),
        ("resize_conv upsampler.kernel_size=7", "1,569"),
    ):
        found = [line for line in lines if f"upsampler={choice}" in line]
        assert found
        assert parameters in found[0]
    assert "deconv is the same, biases aside, as: deconv_9x9, pixel_shuffle" in text


@pytest.mark.parametrize("upsampler", sorted(UPSAMPLERS))
def test_every_upsampler_can_be_described(upsampler, capsys):
    described("espcn", upsampler, scale=4)
    assert f"ESPCN with {upsampler}, x4, Y" in capsys.readouterr().out


def test_what_is_not_linear_or_drifts_says_so(capsys):
    described("unet", "unpool", scale=2)
    assert "not linear: what it does depends on a guide" in capsys.readouterr().out
    described("espcn", "bilinear", align_corners=True)
    told = capsys.readouterr().out
    assert "depends on the whole picture" in told
    assert "by the picture's size" in told


def test_a_plot_is_a_picture_and_never_overwrites(tmp_path, capsys):
    path = tmp_path / "plot.png"
    described("espcn", "pixel_shuffle", plot=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="exists: name another file"):
        described("espcn", "pixel_shuffle", plot=path)
    with pytest.raises(UserError, match=r"ends in \.png"):
        described("espcn", "pixel_shuffle", plot=tmp_path / "plot.svg")
    assert f"drawn: {path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give model=NAME scale=3, or checkpoint=FILE"),
        (["model=espcn"], "scale is missing: add scale=2, 3 or 4"),
        (["model=espcn", "scale=5", "upsampler=staged"],
         "model: stages are of 2 and 3, and scale 5 is no product of these"),
        (["model=espcn", "scale=3", "seed=-1"], "seed must be at least 0 and under 2**63"),
        (["upsampler=deconv"], "upsampler=... goes with a model: add model=NAME"),
        (["model=espcm", "scale=3"], "model has no option 'espcm'; did you mean 'espcn'?"),
        (["model=espcn", "scale=3", "plott=a.png"],
         "there is no group or key 'plott'; did you mean 'plot'?"),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line_is_told_in_a_sentence(arguments, sentence, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "srlab", "describe", *arguments], capture_output=True, text=True,
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"srlab: {sentence}")
    assert done.stderr.count("\n") == 1


def test_the_checkerboard_risk_is_told_in_a_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "srlab", "describe", "model=fsrcnn", "scale=2"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.startswith("srlab: a transposed convolution whose kernel size 9 is not a")
    assert done.stderr.count("\n") == 1
