"""Names that stand in files, notebooks and packages of users: they stay where they are."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import srlab
from srlab.data.named import named
from srlab.errors import CheckpointError, DataMissing, OutputExists, UserError
from srlab.storage.folders import make_folder

# What checkpoints, configs of runs and YAML files of others name by ``_target_``.
TARGETS = """
data.given.pairs data.images.folder data.named.mixed data.named.named data.named.several
data.photos.held_out data.photos.training
data.validation.folder data.validation.named data.validation.photos data.validation.standard
degradations.blur.Blur degradations.blur.Sharpen degradations.blur.Sinc
degradations.compression.Jpeg degradations.compression.WebP
degradations.degradation.Degradation degradations.noise.GaussianNoise
degradations.noise.PoissonNoise degradations.order.InTurn degradations.order.OneOf
degradations.order.Shuffled degradations.order.Sometimes degradations.shrink.Resize
degradations.shrink.Shrink
losses.charbonnier.Charbonnier losses.objective.Objective
models.compact.Compact models.csc.CSC models.csc_sr.CSCSR models.edsr.EDSR models.espcn.ESPCN
models.fsrcnn.FSRCNN models.plain.Plain models.scn.SCN models.span.SPAN models.srcnn.SRCNN
models.unet.UNet models.vdsr.VDSR
training.schedule.constant training.schedule.cosine training.schedule.step_decay
upsamplers.boxed.Boxed upsamplers.carafe.CARAFE upsamplers.deconv.Deconv
upsamplers.dysample.DySample upsamplers.interpolation.Interpolate upsamplers.liif.LIIF
upsamplers.meta.MetaShuffle
upsamplers.pixel_shuffle.PixelShuffle upsamplers.rep_shuffle.RepShuffle
upsamplers.resize_conv.ResizeConv upsamplers.shuffle_tail.ShuffleTail upsamplers.staged.Staged
upsamplers.tail.Tail upsamplers.unpool.Unpool
""".split()  # noqa: SIM905

# What the documentation tells packages of others to import.
TOLD = """
upsamplers.Upsampler models.Model models.UpsamplerFactory imaging.colour.luma cli.main
testing.check_upsampler testing.check_model testing.upsampler_configs testing.model_configs
upsamplers.Factory upsamplers.check_plain models.misfit models.MID_GREY
upsamplers.linear.SubPixel upsamplers.linear.subpixel_form upsamplers.linear.take_over
""".split()  # noqa: SIM905


@pytest.mark.parametrize("names", [TARGETS, TOLD], ids=["targets", "told"])
def test_what_files_of_users_name_is_there(names):
    gone = []
    for name in names:
        module, _, attribute = f"srlab.{name}".rpartition(".")
        if not hasattr(import_module(module), attribute):
            gone.append(name)
    assert gone == []


def test_every_component_of_a_config_is_among_the_names_that_stay():
    configs = Path(__file__).parent.parent / "configs"
    named = {
        line.split("_target_: srlab.")[1].strip()
        for path in configs.rglob("*.yaml")
        for line in path.read_text().splitlines()
        if "_target_: srlab." in line
    }
    assert named <= set(TARGETS)


def test_an_editor_is_told_the_same_names_as_python():
    tree = ast.parse(Path(srlab.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {alias.asname: node.module for node in block.body for alias in node.names}
    assert told == srlab._NAMES
    assert all(getattr(srlab, name) is not None for name in told)
    assert {*told, "__version__"} == set(dir(srlab))
    assert (Path(srlab.__file__).parent / "py.typed").exists()


def test_a_notebook_can_tell_mistakes_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.pt").write_bytes(b"no checkpoint")
    for error, make in (
        (CheckpointError, lambda: srlab.load(tmp_path / "gone.pt")),
        (CheckpointError, lambda: srlab.load(tmp_path / "file.pt")),
        (DataMissing, lambda: named("T91", str(tmp_path))),
        (OutputExists, lambda: make_folder(tmp_path)),
    ):
        with pytest.raises(error) as caught:
            make()
        assert isinstance(caught.value, UserError)
