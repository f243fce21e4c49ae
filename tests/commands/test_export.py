"""Guards: an exported file computes what the network computes, wherever it is run."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from common import command_line, count, largest, ran, save_pictures
from safetensors import safe_open

import srlab as library
from srlab.config.build import build
from srlab.config.compose import option_node
from srlab.errors import UserError
from srlab.imaging.resample import crop
from srlab.interchange.programs import run_onnx, run_torch_export
from srlab.interchange.spandrel import run_srvgg, srvgg_weights, with_bilinear_chroma
from srlab.models.compact import Compact
from srlab.storage.checkpoint import save
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv


@pytest.fixture
def srlab(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with small pictures and a run, ``run``, of an ESPCN that ends in a deconv."""
    folder = tmp_path_factory.mktemp("export")
    save_pictures(folder, train=2, test=1)
    done = ran(folder, "train", "upsampler=deconv", "scale=3", *PICTURES, "run_dir=run")
    assert done.returncode == 0, done.stderr
    return folder


JUDGED = ["testset=folder", "testset.folder.path=test"]
PICTURES = [
    "data=folder", "data.path=train", *JUDGED, "trainer.steps=2", "trainer.batch_size=2",
    "trainer.patch_size=8", "device=cpu", "name=bicubic", "degradation=blur_down",
]  # fmt: skip


@pytest.fixture(scope="module")
def onnx_file(place):
    """The run as an ONNX file."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    done = ran(place, "export", "checkpoint=run", "format=onnx", "name=Mine", "output=mine.onnx")
    assert done.returncode == 0, done.stderr
    assert len(differences(done.stdout)) == 2
    assert max(differences(done.stdout)) < 1e-5
    return place / "mine.onnx"


@pytest.fixture
def run(place, srlab):
    """A copy of the run, with the pictures it was judged on, in the present folder."""
    shutil.copytree(place / "test", "test")
    return Path(shutil.copytree(place / "run", "run"))


def untrained(model, upsampler="pixel_shuffle", scale=2, colour="y", **sizes):
    """Write a checkpoint of a network near its start, and return its name."""
    head = option_node("upsampler", upsampler, "upsampler", scale)
    node = option_node("model", model, "model", scale, colour) | {"upsampler": head} | sizes
    network = build(node, "model")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn(parameter.shape)
    config = {"model": node, "upsampler": head, "scale": scale, "colour": colour, "name": "it"}
    save(Path("last.pt"), {"config": config, "weights": network.state_dict()})
    return "last.pt"


def noise(channels, height, width):
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(1))


def differences(printed):
    lines = [line for line in printed.splitlines() if line.startswith("largest difference")]
    return [float(line.rpartition(" ")[2]) for line in lines]


def agrees(path, checkpoint):
    """Check that an ONNX file computes what a network does, on pictures of any size."""
    run_it, network = run_onnx(Path(path).read_bytes()), library.load(checkpoint)
    for size in ((1, 1), (5, 40), (33, 12)):
        rgb = noise(3, *size)
        if network.channels == 3:
            assert largest(run_it(rgb) - network(rgb).clamp(0, 1)) < 1e-5
        grey = noise(1, *size).expand(2, 3, -1, -1)  # a batch of greys stays grey
        sr = run_it(grey.contiguous())
        assert sr.shape == (2, 3, network.scale * size[0], network.scale * size[1])
        assert 0 <= sr.min() <= sr.max() <= 1
        if network.channels == 1:
            assert largest(sr - sr.mean(dim=1, keepdim=True)) < 1e-5


def test_onnx_of_a_network_that_pools_agrees_on_any_size(srlab):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    run = untrained("unet", upsampler="deconv", colour="rgb", depth=1, features=4)
    status, printed = srlab("export", f"checkpoint={run}", "format=onnx", "output=it.onnx")
    if torch.__version__ < "2.14" and status == 2:
        assert "this network cannot be exported to ONNX" in printed.err
        pytest.skip("this torch cannot trace a network that pools for any size, and it is told")
    assert status == 0, printed.err
    assert len(differences(printed.out)) == 2
    assert max(differences(printed.out)) < 1e-5
    agrees("it.onnx", run)


def test_an_onnx_file_has_one_input_and_says_what_it_is(place, onnx_file):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    agrees(onnx_file, place / "run")
    model = onnx.load(onnx_file)
    (lr,), (sr,) = model.graph.input, model.graph.output
    assert (lr.name, sr.name) == ("lr", "sr")
    assert lr.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    sizes = [d.dim_param or d.dim_value for d in lr.type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, "height", "width"]
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["title"] == "Mine"
    assert (about["scale"], about["colour"], about["picture"]) == ("3", "y", "rgb")
    assert json.loads(about["config"])["model"]["_target_"] == "srlab.models.espcn.ESPCN"
    (score,) = json.loads(about["scores"])
    assert score["psnr"] == json.loads((place / "run/results.json").read_text())[1]["psnr"]
    kernels = [t.dims for t in model.graph.initializer if len(t.dims) == 4]
    assert [9, 32, 3, 3] in kernels  # the transposed convolution has become a sub-pixel one
    assert not any(node.op_type == "ConvTranspose" for node in model.graph.node)


def test_onnx_in_half_precision_halves_the_weights_and_keeps_the_picture(srlab):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    run = untrained(
        "compact", upsampler="staged", scale=4, colour="rgb", residual="bicubic", depth=2,
        features=32,
    )  # fmt: skip
    status, printed = srlab("export", f"checkpoint={run}", "format=onnx", "precision=fp16")
    assert status == 0, printed.err
    assert 1e-6 <= max(differences(printed.out)) < 5e-3
    network = library.load(run)
    assert Path("last.onnx").stat().st_size < 2.2 * count(network)  # two bytes for each weight
    model = onnx.load("last.onnx")
    types = {part.type.tensor_type.elem_type for part in (*model.graph.input, *model.graph.output)}
    assert types == {onnx.TensorProto.FLOAT}
    rgb = noise(3, 33, 12)
    apart = run_onnx(Path("last.onnx").read_bytes())(rgb) - network(rgb).clamp(0, 1)
    assert largest(apart) < 5e-3


def test_torch_export_of_a_networks_own_picture_in_both_precisions(srlab):
    run = untrained("espcn")
    arguments = ("export", f"checkpoint={run}", "format=torch_export", "picture=own")
    status, printed = srlab(*arguments)
    assert status == 0, printed.err
    assert max(differences(printed.out)) < 1e-5
    content = Path("last.pt2").read_bytes()
    assert str(library.__file__).encode() not in content
    y = noise(1, 19, 8)
    assert largest(run_torch_export(content)(y) - library.load(run)(y)) < 1e-6
    status, printed = srlab(*arguments, "precision=fp16", "output=half.pt2")
    assert status == 0, printed.err
    assert 1e-6 <= max(differences(printed.out)) < 5e-3
    spared = len(content) - Path("half.pt2").stat().st_size
    assert spared > 0.8 * 2 * 22_000  # two bytes for each weight


def test_a_safetensors_file_is_the_model_in_two_lines(srlab, place, run, tmp_path):
    status, printed = srlab("export", f"checkpoint={run}", "format=safetensors", "name=My own")
    assert status == 0, printed.err
    model = library.load("run/last.safetensors")
    y = noise(1, 20, 31)
    assert largest(model(y) - library.load(run)(y)) < 1e-6
    assert type(model.upsampler) is PixelShuffle  # its transposed convolution, simplified
    with safe_open("run/last.safetensors", framework="pt") as file:
        about = file.metadata()
    assert about["title"] == "My own"
    assert "studio swing" in about["normalisation"]
    assert not any(str(folder) in json.dumps(about) for folder in (place, tmp_path))
    (score,) = json.loads(about["scores"])
    assert score["psnr"] == json.loads((tmp_path / "run/results.json").read_text())[1]["psnr"]
    judge = ("evaluate", "checkpoint=run/last.safetensors", "output=judged", *JUDGED)
    status, printed = srlab(*judge, "degradation=blur_down")
    assert status == 0, printed.err
    assert "was trained on" not in printed.out + printed.err  # it keeps what made low resolution
    assert "My own" in printed.out
    assert f"{score['psnr']:.2f}" in printed.out
    assert srlab("convert", "checkpoint=run/last.safetensors", "upsampler=deconv")[0] == 0
    assert largest(library.load("run/last-deconv.pt")(y) - model(y)) < 1e-5
    status, printed = srlab(
        "convert", "checkpoint=run", "upsampler=deconv", "output=it.safetensors"
    )
    assert status == 2
    assert "srlab export" in printed.err
    (tmp_path / "train").symlink_to(place / "train")
    further = ("start=run/last.safetensors", "scale=3", *PICTURES)
    assert srlab("train", *further, "upsampler=pixel_shuffle", "run_dir=further")[0] == 0


@pytest.mark.parametrize(
    ("residual", "channels", "upsampler", "scale"),
    [
        ("none", 1, PixelShuffle, 2),
        ("nearest", 1, PixelShuffle, 3),
        ("none", 3, Deconv, 3),
        ("nearest", 3, Deconv, 2),
        ("nearest", 1, ResizeConv, 2),
        ("none", 3, ResizeConv, 3),
    ],
)
def test_a_compact_network_is_an_srvggnet(residual, channels, upsampler, scale):
    torch.manual_seed(scale)
    model = Compact(upsampler, scale, channels, features=6, depth=2, residual=residual).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    colour = "y" if channels == 1 else "rgb"
    theirs = run_srvgg(srvgg_weights(model, colour), scale)
    ours = model if channels == 3 else with_bilinear_chroma(model)
    rgb = noise(3, 16, 19)
    inside = scale * model.halo
    with torch.inference_mode():
        apart = theirs(rgb) - ours(rgb)
        assert largest(crop(apart, inside)) < 1e-5 * largest(ours(rgb))
        assert largest(apart) > 1e-3  # they pad with zeros, we mirror


def test_a_compact_network_of_colours_among_zeros_is_an_srvggnet_up_to_the_border():
    for residual in ("none", "nearest"):
        model = Compact(Deconv, 3, 3, features=6, depth=2, residual=residual, border="zeros").eval()
        theirs, rgb = run_srvgg(srvgg_weights(model, "rgb"), 3), noise(3, 7, 9)
        with torch.inference_mode():
            assert largest(theirs(rgb) - model(rgb)) < 1e-6


@pytest.mark.parametrize("upsampler", ["rep", "pixel_shuffle", "carafe"])
def test_what_was_trained_as_branches_is_written_as_one_convolution(upsampler, srlab):
    checkpoint = untrained("compact", upsampler, features=8, depth=1, block="rep")
    forms = ["safetensors"] if upsampler == "carafe" else ["safetensors", "spandrel"]
    for form in forms:
        status, printed = srlab("export", f"checkpoint={checkpoint}", f"format={form}")
        assert status == 0, printed.err
        assert max(differences(printed.out)) < 1e-5
    model, config = library.load_checkpoint("last.safetensors")
    assert config["model"]["block"] == "plain"
    assert not any("edge" in name for name in model.state_dict())


def test_spandrel_loads_it_as_compact(srlab, tmp_path):
    spandrel = pytest.importorskip("spandrel", reason="spandrel is not installed")
    model = Compact(PixelShuffle, 3, features=8, depth=3)
    save(tmp_path / "it.pt", {"config": compact_config(), "weights": model.state_dict()})
    status, printed = srlab("export", "checkpoint=it.pt", "format=spandrel")
    assert status == 0, printed.err
    theirs = spandrel.ModelLoader().load_from_file("it-spandrel.safetensors")
    assert (theirs.architecture.id, theirs.scale) == ("Compact", 3)
    assert (theirs.input_channels, theirs.output_channels) == (3, 3)
    inside, rgb = 3 * model.halo, noise(3, 30, 30)
    apart = theirs.model(rgb) - with_bilinear_chroma(model)(rgb)
    assert largest(crop(apart, inside)) < 1e-5


def compact_config():
    head = {
        "_target_": "srlab.upsamplers.pixel_shuffle.PixelShuffle", "_partial_": True,
        "kernel_size": 3, "init": "default",
    }  # fmt: skip
    node = {
        "_target_": "srlab.models.compact.Compact", "upsampler": head, "scale": 3, "channels": 1,
        "features": 8, "depth": 3,
    }  # fmt: skip
    return {"name": "it", "scale": 3, "colour": "y", "model": node}


def test_what_is_no_srvggnet_is_refused():
    for model, said in (
        (Compact(PixelShuffle, 2, residual="bicubic"), "residual=none or nearest"),
        (Compact(lambda i, o, s: PixelShuffle(i, o, s, 5), 2), "sees 5x5"),
        (library.ESPCN(PixelShuffle, 2), "ESPCN is no plain stack"),
    ):
        with pytest.raises(UserError, match=said):
            srvgg_weights(model, "y")


def test_nothing_is_overwritten_and_mistakes_are_told(srlab, run, tmp_path):
    (tmp_path / "mine.onnx").write_text("mine")
    for arguments, said in (
        (("format=onnx", "output=mine.onnx"), "mine.onnx exists"),
        (("format=onnx", "output=nowhere/it.onnx"), "the folder nowhere does not exist"),
        ((), "format is missing"),
        (("format=tflite",), "format"),
        (("format=safetensors", "precision=fp16"), "leave precision out"),
        (("format=onnx", "scale=2"), "was trained for scale 3"),
        (("format=spandrel",), "format=spandrel is for model=compact"),
        (("format=safetensors", "picture=own"), "leave picture out"),
        (("format=safetensors", "output=it.st"), "is written to .safetensors files"),
        (("format=onnx", "model=bicubic"), "give checkpoint=FILE"),
    ):
        status, printed = srlab("export", f"checkpoint={run}", *arguments)
        assert status == 2, arguments
        assert said in printed.err
    status, printed = srlab("export", "format=onnx")
    assert status == 2
    assert "checkpoint=FILE" in printed.err
    assert (tmp_path / "mine.onnx").read_text() == "mine"
