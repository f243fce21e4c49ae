"""Guards: a checkpoint gets another upsampler and computes the same, or it is refused."""

import hashlib
import json
from functools import partial

import pytest
import torch
from common import ran, save_pictures

from srlab.assembly.checkpoints import load_checkpoint
from srlab.command_line.invocation import Invocation
from srlab.commands import describe
from srlab.commands.convert import command as convert
from srlab.config.build import build
from srlab.config.compose import option_node
from srlab.config.schema import ConvertConfig, DescribeConfig
from srlab.errors import UserError
from srlab.storage.checkpoint import load, save
from srlab.words import Colour

SIDE = convert._SIDE


@pytest.fixture(autouse=True)
def _no_gradients_and_small_parts_of_photographs(monkeypatch):
    monkeypatch.setattr(convert, "_SIDE", 24)
    with torch.no_grad():
        yield


def trained(folder, model="espcn", upsampler="pixel_shuffle", scale=3, colour="y", **options):
    """Write a checkpoint whose weights are random, and return its path."""
    head = option_node("upsampler", upsampler, "upsampler", scale) | options
    node = option_node("model", model, "model", scale, colour) | {"upsampler": head}
    if model == "edsr_baseline":
        node |= {"blocks": 1, "features": 4}
    if model == "vdsr":
        node |= {"depth": 3, "features": 4}
    network = build(node, "model")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    config = {"model": node, "upsampler": head, "scale": scale, "colour": colour, "name": "a run"}
    path = folder / "last.pt"
    save(path, {"config": config, "weights": network.state_dict(), "step": 7})
    return path


def to(upsampler, path, output=None, scale=3, **options):
    head = option_node("upsampler", upsampler, "upsampler", scale) | options
    return convert.run(Invocation(ConvertConfig(str(path), output and str(output), [], head)))


def outputs(path, channels=1):
    lr = torch.rand(1, channels, 19, 22, generator=torch.Generator().manual_seed(5))
    return load_checkpoint(path)[0](lr)


def test_the_converted_network_gives_the_same_picture(tmp_path, capsys):
    for model, before, after in (
        ("espcn", "deconv", "pixel_shuffle"),
        ("fsrcnn_s", "deconv", "pixel_shuffle"),
        ("vdsr", "deconv", "pixel_shuffle"),
        ("unet", "deconv", "pixel_shuffle"),
        ("edsr_baseline", "deconv", "pixel_shuffle"),
        ("espcn", "resize_conv", "deconv"),
        ("vdsr", "resize_conv", "deconv"),
    ):
        source = trained(tmp_path, model, before)
        assert to(after, source) < 1e-5, (model, before)
        target = tmp_path / f"last-{after}.pt"
        assert (outputs(source) - outputs(target)).abs().max() < 1e-5, (model, before)
        target.unlink()
        told = capsys.readouterr().out
        assert "largest difference on 50x37 pixels of noise" in told
        assert "a part of the photograph astronaut" in told
        assert f"upsampler={after}" in told


def test_every_linear_upsampler_becomes_a_sub_pixel_or_a_transposed_convolution(tmp_path):
    offenders = []
    for before, after, scale in (
        ("pixel_shuffle", "deconv", 2),
        ("deconv_9x9", "pixel_shuffle", 2),
        ("deconv_9x9", "pixel_shuffle", 4),
        ("boxed", "pixel_shuffle", 4),
        ("boxed", "deconv", 2),
        ("staged", "pixel_shuffle", 2),
        ("staged", "pixel_shuffle", 4),
        ("staged", "deconv", 4),
        ("bicubic", "pixel_shuffle", 2),
        ("bicubic", "pixel_shuffle", 4),
        ("bicubic", "deconv", 4),
        ("bilinear", "deconv", 4),
        ("nearest", "resize_conv", 2),
        ("bilinear", "boxed", 4),
    ):
        source = trained(tmp_path, "espcn", before, scale)
        apart = to(after, source, tmp_path / "out.pt", scale)
        (tmp_path / "out.pt").unlink()
        if not apart < 1e-5:
            offenders.append((before, after, scale, apart))
    assert not offenders


def test_a_deconv_comes_back_from_pixel_shuffle_bit_for_bit(tmp_path):
    source = trained(tmp_path, "espcn", "deconv", colour="rgb")
    to("pixel_shuffle", source, tmp_path / "there.pt")
    to("deconv", tmp_path / "there.pt", tmp_path / "back.pt")
    before, after = (load(path) for path in (source, tmp_path / "back.pt"))
    assert after["config"]["name"] == "a run (as deconv)"
    before, after = before["weights"], after["weights"]
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_pixel_shuffle_comes_back_from_a_deconv_with_its_nine_biases(tmp_path):
    source = trained(tmp_path)
    to("deconv", source, tmp_path / "there.pt")
    assert load(tmp_path / "there.pt")["config"]["upsampler"]["phase_bias"] is True
    to("pixel_shuffle", tmp_path / "there.pt", tmp_path / "back.pt")
    before, after = (load(path)["weights"] for path in (source, tmp_path / "back.pt"))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_larger_kernel_that_is_asked_for_is_kept(tmp_path):
    source = trained(tmp_path)
    to("pixel_shuffle", source, tmp_path / "large.pt", kernel_size=7)
    assert load(tmp_path / "large.pt")["weights"]["upsampler.conv.weight"].shape[-1] == 7
    assert (outputs(source) - outputs(tmp_path / "large.pt")).abs().max() < 1e-5


def test_what_has_no_equal_is_refused_and_nothing_is_written(tmp_path):
    for before, after, sentence in (
        ("pixel_shuffle", "resize_conv", "ResizeConv cannot represent it: .* off by"),
        ("pixel_shuffle", "bicubic", "Interpolate cannot represent it"),
        ("pixel_shuffle", "boxed", "cannot represent it"),
        ("pixel_shuffle", "unpool", "Unpool cannot take over"),
        ("carafe", "pixel_shuffle", "CARAFE is not linear: its kernel depends on the picture"),
        ("unpool", "deconv", "Unpool is not linear"),
    ):
        source = trained(tmp_path, "espcn", before)
        with pytest.raises(UserError, match=sentence):
            to(after, source)
        assert list(tmp_path.iterdir()) == [source]


def at_scale(path, scale, upsampler=None):
    head = option_node("upsampler", upsampler, "upsampler", scale) if upsampler else {}
    return convert.run(Invocation(ConvertConfig(str(path), upsampler=head, scale=scale)))


def of_scale(path, scale):
    """The network of a checkpoint with another scale in its config."""
    checkpoint = load(path)
    network = build(checkpoint["config"]["model"] | {"scale": scale}, "model")
    network.load_state_dict(checkpoint["weights"])
    return network.eval()


def test_a_network_of_any_scale_becomes_the_plain_one_that_it_is_at_one(tmp_path, capsys):
    for model in ("espcn", "edsr_baseline"):
        source = trained(tmp_path, model, "meta", scale=2, hidden=16)
        for scale, upsampler in ((3, None), (4, "deconv")):
            assert at_scale(source, scale, upsampler) < 1e-5
            kind = upsampler or "pixel_shuffle"
            target = tmp_path / f"last-x{scale}-{kind}.pt"
            lr = torch.rand(1, 1, 12, 11)
            assert (load_checkpoint(target)[0](lr) - of_scale(source, scale)(lr)).abs().max() < 1e-5
            config = load(target)["config"]
            assert (config["scale"], config["name"]) == (scale, f"a run (as {kind} x{scale})")
            target.unlink()
    assert "-> PixelShuffle 32 -> 1 x3, 2,601 parameters" in capsys.readouterr().out


def test_what_is_of_any_scale_and_not_linear_is_written_as_it_is(tmp_path):
    source = trained(tmp_path, "espcn", "liif", scale=2, hidden=8)
    assert at_scale(source, 3) is None
    network, config = load_checkpoint(tmp_path / "last-x3-liif.pt")
    lr = torch.rand(1, 1, 12, 11)
    assert torch.equal(network(lr), of_scale(source, 3)(lr))
    assert config["scale"] == 3


def test_what_is_of_one_scale_stays_there(tmp_path):
    source = trained(tmp_path)
    with pytest.raises(UserError, match=r"^PixelShuffle is of scale 3 alone: scale= goes with fr"):
        at_scale(source, 2)
    with pytest.raises(UserError, match=r"^scale must be a whole number of at least 1, got 0$"):
        at_scale(trained(tmp_path, "espcn", "liif", hidden=8), 0)
    assert list(tmp_path.iterdir()) == [source]


def test_a_u_net_is_converted_though_its_steps_have_other_scales(tmp_path):
    source = trained(tmp_path, "unet", "pixel_shuffle")
    assert to("deconv", source, tmp_path / "there.pt") < 1e-5
    assert load(tmp_path / "there.pt")["config"]["upsampler"]["phase_bias"] is True
    wide = trained(tmp_path, "unet", "deconv_9x9", scale=4)
    assert to("pixel_shuffle", wide, tmp_path / "wide.pt", scale=4) < 1e-5
    assert load(tmp_path / "wide.pt")["config"]["upsampler"]["kernel_size"] == 5


def test_a_network_that_is_not_finite_is_refused(tmp_path):
    source = trained(tmp_path, "espcn", "deconv")
    checkpoint = load(source)
    checkpoint["weights"]["body.0.weight"][0] = torch.nan
    save(source, checkpoint)
    with pytest.raises(UserError, match=r"not finite, in body\.0\.weight: its training diverged"):
        to("pixel_shuffle", source)
    assert list(tmp_path.iterdir()) == [source]


def test_a_large_scale_leaves_small_photographs_to_compare(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "_SIDE", SIDE)
    assert to("pixel_shuffle", trained(tmp_path, scale=12, upsampler="deconv"), scale=12) < 1e-5


def test_a_description_refuses_what_the_checkpoint_is_not(tmp_path):
    source = str(trained(tmp_path))
    for asked, sentence in (
        ({"scale": 4}, "trained for scale 3, but scale=4 is asked"),
        ({"colour": Colour.rgb}, "trained for colour y, but colour=rgb is asked"),
    ):
        with pytest.raises(UserError, match=sentence):
            describe.run(Invocation(DescribeConfig(checkpoint=source, **asked)))
    checkpoint = load(tmp_path / "last.pt")
    checkpoint["weights"]["body.0.weight"][0] = torch.nan
    save(tmp_path / "last.pt", checkpoint)
    with pytest.raises(UserError, match="weights that are not finite"):
        describe.run(Invocation(DescribeConfig(checkpoint=source)))


def test_an_aligned_interpolation_is_refused(tmp_path):
    source = trained(tmp_path, "espcn", "bilinear", align_corners=True)
    with pytest.raises(UserError, match="drifts across the picture"):
        to("pixel_shuffle", source)


def test_a_frozen_kernel_takes_nothing_over(tmp_path):
    source = trained(tmp_path)
    with pytest.raises(UserError, match="frozen"):
        to("deconv", source, frozen=True)


def test_a_conversion_leaves_what_is_there_alone(tmp_path):
    source = trained(tmp_path)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    (tmp_path / "last-deconv.pt").write_text("mine")
    with pytest.raises(UserError, match=r"last-deconv\.pt exists: name another file"):
        to("deconv", source)
    assert (tmp_path / "last-deconv.pt").read_text() == "mine"
    to("deconv", source, tmp_path / "other.pt")
    assert hashlib.sha256(source.read_bytes()).hexdigest() == digest


def test_the_command_line_converts_evaluates_and_describes_what_it_converted(tmp_path):
    trained(tmp_path, "espcn", "deconv")
    save_pictures(tmp_path, train=0, test=1)
    pictures = ("testset=folder", "testset.folder.path=test")
    srlab = partial(ran, tmp_path)
    done = srlab("convert", "checkpoint=last.pt", "upsampler=pixel_shuffle")
    assert (done.returncode, done.stderr) == (0, "")
    assert "upsampler: Deconv 32 -> 1 x3, 2,593 parameters -> PixelShuffle 32 -> 1" in done.stdout
    psnr = []
    for name in ("last.pt", "last-pixel_shuffle.pt"):
        judged = srlab("evaluate", f"checkpoint={name}", f"output={name}-scores", *pictures)
        assert judged.returncode == 0, judged.stderr
        (judged,) = json.loads((tmp_path / f"{name}-scores" / "results.json").read_text())
        psnr.append(judged["psnr"])
    assert psnr[0] == pytest.approx(psnr[1], abs=1e-3)
    described = srlab("describe", "checkpoint=last-pixel_shuffle.pt")
    assert "a run (as pixel_shuffle): ESPCN with pixel_shuffle, x3, Y" in described.stdout
    for arguments, sentence in (
        (["checkpoint=last.pt"], "upsampler is missing: add upsampler=pixel_shuffle, deconv, ..."),
        (["upsampler=deconv"], "checkpoint is missing: add checkpoint=..."),
        (["checkpoint=no.pt", "upsampler=deconv"], "checkpoint no.pt does not exist"),
    ):
        failed = srlab("convert", *arguments)
        assert (failed.returncode, failed.stderr) == (2, f"srlab: {sentence}\n")
