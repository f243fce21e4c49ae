"""Guards: a description says what a network and its upsampler are, cost and can do."""

import pytest
from common import command_line
from forks import forked

from srlab.command_line.invocation import Invocation
from srlab.commands import describe
from srlab.config.compose import option_node
from srlab.config.schema import DescribeConfig
from srlab.errors import UserError
from srlab.testing import upsampler_configs
from srlab.words import Colour


def described(model, upsampler=None, scale=3, colour="y", plot=None, **options):
    node = option_node("model", model, "model", scale, colour)
    if upsampler is not None:
        node["upsampler"] = option_node("upsampler", upsampler, "upsampler", scale) | options
    config = DescribeConfig(
        scale=scale, colour=Colour(colour), model=node, plot=plot and str(plot),
        upsampler=node["upsampler"],
    )  # fmt: skip
    describe.run(Invocation(config))


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


def test_every_kind_of_upsampler_can_be_described(capsys):
    kinds = {
        option_node("upsampler", n, "upsampler", 2)["_target_"]: n for n, _ in upsampler_configs()
    }
    assert len(kinds) > 5
    for upsampler in kinds.values():
        described("espcn", upsampler, scale=2)
        assert f"ESPCN with {upsampler}, x2, Y" in capsys.readouterr().out


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


MISTAKES = [
    ([], "give model=NAME scale=3, or checkpoint=FILE"),
    (["model=espcn"], "scale is missing: add scale=2, 3 or 4"),
    (["model=espcn", "scale=5", "upsampler=staged"],
     "model: stages are of 2 and 3, and scale 5 is no product of these"),
    (["model=espcn", "scale=3", "seed=-1"], "seed must be at least 0 and under 2**63"),
    (["upsampler=deconv"], "upsampler=... goes with a model: add model=NAME"),
    (["model=espcm", "scale=3"], "model has no option 'espcm'; did you mean 'espcn'?"),
    (["model=espcn", "scale=3", "plott=a.png"],
     "there is no group or key 'plott'; did you mean 'plot'?"),
]  # fmt: skip


def test_a_mistake_on_the_command_line_is_told_in_a_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    srlab, offenders = command_line(monkeypatch, capsys), []
    for arguments, sentence in MISTAKES:
        status, printed = srlab("describe", *arguments)
        told = printed.err.startswith(f"srlab: {sentence}") and printed.err.count("\n") == 1
        if status != 2 or not told:
            offenders.append((arguments, status, printed.err))
    assert not offenders


def test_the_checkerboard_risk_is_told_in_a_sentence(tmp_path):
    process = forked(tmp_path, "describe", "model=fsrcnn", "scale=2")
    _, err = process.communicate()
    assert process.returncode == 0
    assert err.startswith("srlab: a transposed convolution whose kernel size 9 is not a")
    assert err.count("\n") == 1
