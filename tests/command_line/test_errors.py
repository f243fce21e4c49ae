"""Guards: wrong input ends in one clear sentence and exit status 2, and nothing is written."""

import sys

import numpy as np
import pytest
import torch
from common import command_line
from PIL import Image

from srlab import cli
from srlab.machine.device import multiplies_bf16


@pytest.fixture
def srlab(monkeypatch, capsys, tmp_path):
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRLAB_DATA", str(tmp_path / "nowhere"))

    return command_line(monkeypatch, capsys)


def refused(outcome, *words):
    status, printed = outcome
    assert status == 2, printed.err
    assert printed.err.startswith("srlab: ")
    assert "Traceback" not in printed.err
    for word in words:
        assert word in printed.err
    return True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["did you mean 'train'?"]),
        (["train", "upsamplr=deconv"], ["'upsamplr'", "did you mean 'upsampler'?"]),
        (["train", "upsampler=decnv"], ["'decnv'", "did you mean 'deconv'?", "pixel_shuffle"]),
        (["train", "testset=[set5,set41]"], ["testset has no option 'set41'", "'set14'?"]),
        (["train", "upsampler=[deconv,boxed]"], ["one upsampler is", "upsampler=deconv,boxed"]),
        (["train", "modle.init=x"], ["'modle.init'", "'model.init'"]),
        (["train", "trainer.stepz=3"], ["'trainer.stepz'", "'trainer.steps'"]),
        (["train", "+model.widht=3"], ["model.widht", "ESPCN has no 'widht'"]),
        (["train", "+model.chanels=3"], ["model.chanels", "did you mean 'channels'?"]),
        (["train", "trainer.steps=abc"], ["trainer.steps=abc", "Integer"]),
        (["train", f"trainer.steps={'x' * 999}"], ["xx... of type 'str' could not be"]),
        (["train", "model.init=~"], ["'model.init=~' cannot be read as key=value; a value with"]),
        (["train", "scale=f(x)"], ["'scale=f(x)' cannot be read", "(Unknown function 'f')"]),
        (["train", "optim.lr=fast"], ["optim.lr", "a number", "'fast'"]),
        (["train", "model.activation=gelu"], ["model.activation", "tanh or relu", "'gelu'"]),
        (["train", "trainer.precision=fp8"], ["fp32, tf32, bf16, fp16"]),
        pytest.param(
            ["train", "trainer.precision=bf16", "device=cpu"],
            ["trainer.precision=bf16", "CUDA"],
            marks=pytest.mark.skipif(multiplies_bf16(), reason="this processor multiplies bf16"),
        ),
        (["train", "scale=1"], ["at scale=1 there is nothing to restore", "degradation=photo"]),
        (["train", "scale=0"], ["scale", "at least 1", "0"]),
        (["train", "upsampler.kernel_size=4"], ["kernel_size", "odd", "4"]),
        (["train", "+trainer.lr_factors.foo=1"], ["'foo'", "body.0.weight"]),
        (
            ["train", "trainer.phases=[{step: 9, patch: 3}]"],
            ["each of trainer.phases has step, batch_size, patch_size alone"],
        ),
        (["train", "trainer.phases=[7]"], ["it takes a list, as [{step: 5000, patch_size: 32}]"]),
        (["train", "trainer.phases=5"], ["it takes a list, as [{step: 5000, patch_size: 32}]"]),
        (["train", "trainer.scales=2"], ["trainer.scales=2: it takes a list, as [2,3,4]"]),
        (
            ["train", "trainer.scales=[2.5,3]"],
            ["trainer.scales=[2.5,3]: it takes whole numbers, as [2,3,4]"],
        ),
        (["train", "trainer.freeze=body"], ["it takes a list, as [body]"]),
        (["train", "trainer.freeze=[boddy]"], ["trainer.freeze", "'boddy'", "body.0.weight"]),
        (["train", "trainer.freeze=[body,upsampler]"], ["leaves no weights to train"]),
        (["train", "model=bicubic"], ["no weights to train"]),
        (["train", "model=bicubic", "upsampler=deconv"], ["model=bicubic", "ignore"]),
        (["train", "model=bicubic", "+upsampler=deconv"], ["(Plain) takes no upsampler"]),
        (["train", "data=t91"], ["T91", "srlab data fetch t91", "SRLAB_DATA"]),
        (["train", "testset=manga109"], ["Manga109", "109 images", "SRLAB_DATA"]),
        (["train", "data=folder"], ["data.path is missing"]),
        (["train", "data=folder", "data.path=gone"], ["gone does not exist"]),
        (["train", "steps=20"], ["'steps'", "did you mean 'trainer.steps'"]),
        (["train", "lr=1e-3"], ["'lr'", "did you mean 'optim.lr'"]),
        (["train", "seed=0,1"], ["srlab train -m seed=0,1 is a run for each"]),
        (["train", "model=espcn,srcnn"], ["where one is taken; srlab train -m model=espcn,srcnn"]),
        (["train", "testset=set5,set14"], ["'testset=[set5,set14]' is a list of them"]),
        (["train", "trainer.scales=2,3"], ["'trainer.scales=[2,3]' is a list of them"]),
        (["train", "seeds=0,1"], ["no group or key 'seeds'"]),
        (
            ["train", "degradation=photo", "degradation.steps.jpeg.quality=30,95"],
            ["'degradation.steps.jpeg.quality=[30,95]' is a list of them"],
        ),
        (
            ["train", "upsampler=boxed", "upsampler@upsampler.inner=deconv,rep"],
            ["where one is taken", "-m upsampler@upsampler.inner=deconv,rep"],
        ),
        (["upscale", "input=a.png", "scale=2,3"], ["where it takes a list, write 'scale=[2,3]'"]),
        (["train", "-m", "seed=0,1", "run_dir=a"], ["run_dir=a", "one run", "srlab sweep"]),
        (["train", "hydra.mode=MULTIRUN", "seed=0,1", "+run_dir=a"], ["run_dir=a", "one run"]),
        (["train", "+trainer.stepz=5"], ["'trainer.stepz'", "'trainer.steps'"]),
        (["upscale", "+foo=3", "input=a", "output=b", "model=bicubic", "scale=2"], ["'foo'"]),
        (["train", "trainer.lr_factors={body.4: 0.1}"], ["+trainer.lr_factors="]),
        (["train", "model.kernels=9-1-5"], ["model.kernels is a key of another model"]),
        (["train", "scale=2.5"], ["scale=2.5", "a whole number"]),
        (["train", "trainer.steps=1e4"], ["trainer.steps", "10_000"]),
        (["train", "model.scale=2"], ["model.scale is 2", "scale=3"]),
        (["train", "model.channels=3"], ["model.channels is 3", "colour=y"]),
        (["train", "seed=-1"], ["seed"]),
        (["train", "name=../evil"], ["name", "run_dir"]),
        (
            ["train", "scale=0", "trainer.steps=0", "trainer.ema=2", "optim.lr=fast"],
            ["scale", "trainer.steps", "trainer.ema", "optim.lr"],
        ),
        (["train", "device=cuda:99"], ["cuda:99"]),
        (["train", "device=tpu"], ["tpu"]),
        (["train", "resume=gone"], ["gone is not a run"]),
        (["evaluate", "scale=3"], ["checkpoint=FILE", "model=bicubic"]),
        (["evaluate", "model=bicubic"], ["scale is missing"]),
        (["evaluate", "model=bicubic", "scale=0"], ["at least 1"]),
        (["evaluate", "model=espcn", "scale=3"], ["has weights"]),
        (["evaluate", "model=bicubic", "scale=3", "upsampler=deconv"], ["ignore"]),
        (["evaluate", "checkpoint=gone.pt"], ["gone.pt does not exist"]),
        (["evaluate", "model=bicubic", "scale=3", "tile=-1"], ["tile"]),
        (["upscale", "model=bicubic", "scale=2", "output=a.png"], ["input is missing"]),
        (["upscale", "model=bicubic", "scale=2", "input="], ["input names no file"]),
        (["upscale", "model=bicubic", "scale=65", "input=a.png"], ["scale must be at most 64"]),
        (["upscale", "model=bicubic", "scale=2", "input=gone.png", "output=b.png"], ["gone.png"]),
        (["completion", "fish"], ["bash or zsh"]),
    ],
)
def test_a_mistake_is_told_in_a_sentence_and_nothing_is_written(srlab, tmp_path, arguments, words):
    assert refused(srlab(*arguments), *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainer: {stepz: 5}", ["'trainer.stepz'", "'trainer.steps'", "experiment/mine.yaml"]),
        ("modle: {init: default}", ["'modle'", "'model'", "experiment/mine.yaml"]),
        ("model: {chanels: 1}", ["model.chanels", "did you mean 'channels'?"]),
        ("upsampler: {kernal_size: 3}", ["upsampler.kernal_size", "'kernel_size'"]),
        ("defaults: [{override /upsampler: decnv}]", ["'decnv'", "'deconv'"]),
        ("defaults: [{override /upsamplr: deconv}]", ["'upsamplr'", "'upsampler'"]),
    ],
)
def test_a_mistake_in_a_preset_is_told_too(srlab, tmp_path, text, words):
    preset = tmp_path / "conf" / "experiment" / "mine.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(f"# @package _global_\n{text}\n")
    assert refused(srlab("train", "--config-dir", "conf", "experiment=mine"), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_all_faults_of_a_config_are_told_at_once(srlab):
    outcome = srlab("train", "model.activation=gelu", "optim.lr=fast", "+loss.tv_wieght=1")
    assert refused(outcome, "model.activation", "optim.lr", "loss.tv_wieght", "'tv_weight'")


def test_a_folder_of_bad_images_is_refused_by_name(srlab, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    train = ("train", "data=folder", "data.path=images", "trainer.steps=1")
    assert refused(srlab(*train), "images holds no image")

    (folder / "a.png").write_text("this is no picture")
    assert refused(srlab(*train), "a.png is not a readable image")
    (folder / "a.png").unlink()

    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "b.jpg")
    whole = (folder / "b.jpg").read_bytes()
    (folder / "b.jpg").write_bytes(whole[: len(whole) // 2])
    assert refused(srlab(*train), "b.jpg is not a readable image", "truncated")
    (folder / "b.jpg").unlink()

    Image.fromarray(noise[:40]).save(folder / "c.png")
    assert refused(srlab(*train), "c.png is 80x40", "patches of 16x16", "48")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_what_is_no_checkpoint_is_refused(srlab, tmp_path):
    (tmp_path / "a.pt").write_text("not a checkpoint")
    assert refused(srlab("evaluate", "checkpoint=a.pt"), "a.pt is not a checkpoint")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "b.pt")
    assert refused(srlab("evaluate", "checkpoint=b.pt"), "b.pt is not a checkpoint")
    whole = (tmp_path / "b.pt").read_bytes()
    (tmp_path / "c.pt").write_bytes(whole[: len(whole) // 2])
    assert refused(srlab("evaluate", "checkpoint=c.pt"), "c.pt is not a checkpoint", "cut off")


def test_a_checkpoint_may_not_name_code_outside_srlab(srlab, tmp_path):
    node = {"_target_": "os.system", "command": "touch harm"}
    torch.save(
        {
            "format": 1,
            "config": {"scale": 3, "colour": "y", "model": node},
            "weights": {},
        },
        tmp_path / "evil.pt",
    )
    assert refused(srlab("evaluate", "checkpoint=evil.pt"), "os.system is not trusted")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("wrap", [lambda n: (n,), lambda n: [(n,)], lambda n: {"x": (n,)}])
def test_code_hidden_in_a_checkpoint_is_refused_and_not_run(srlab, tmp_path, wrap):
    hidden = {"_target_": "shutil.copy", "src": "a.pt", "dst": "harm"}
    model = {
        "_target_": "srlab.models.plain.Plain", "scale": 3, "channels": 1, "upsampler": wrap(hidden)
    }  # fmt: skip
    config = {"scale": 3, "colour": "y", "model": model}
    torch.save({"format": 1, "config": config, "weights": {}}, tmp_path / "a.pt")
    assert refused(srlab("evaluate", "checkpoint=a.pt"), "not trusted")
    assert not (tmp_path / "harm").exists()


def test_a_checkpoint_that_contradicts_itself_is_refused(srlab, tmp_path):
    node = {
        "_target_": "srlab.models.plain.Plain", "scale": 2, "channels": 1,
        "upsampler": {"_target_": "srlab.upsamplers.interpolation.Interpolate", "_partial_": True},
    }  # fmt: skip
    for change, word in (
        ({"scale": 4}, "model.scale is 2"),
        ({"colour": "rgb"}, "model.channels is 1"),
        ({"model": {"_target_": "torch.nn.Identity"}}, "Identity has no scale"),
    ):
        config = {"scale": 2, "colour": "y", "model": node} | change
        torch.save({"format": 1, "config": config, "weights": {}}, tmp_path / "a.pt")
        assert refused(srlab("evaluate", "checkpoint=a.pt"), word)


def test_an_output_folder_that_cannot_be_made_is_refused_before_training(srlab, tmp_path):
    (tmp_path / "file").write_text("in the way")
    outcome = srlab("train", "trainer.steps=1", "run_dir=file/run")
    assert refused(outcome, "cannot make the folder file/run")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_with_something_in_it_is_not_used_for_a_run(srlab, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert refused(srlab("train", "trainer.steps=1", "run_dir=mine"), "mine is not empty")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_upscale_overwrites_nothing(srlab, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("precious")
    outcome = srlab("upscale", "model=bicubic", "scale=2", "input=a.png", "output=b.png")
    assert refused(outcome, "b.png exists already")
    assert (tmp_path / "b.png").read_text() == "precious"


def test_upscale_takes_any_file_name(srlab, tmp_path):
    for name in ("photo (1).png", "été, à l'eau.png", "[x] ü.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
        status, printed = srlab(
            "upscale", "model=bicubic", "scale=2", f"input={name}", f"output=out/{name}"
        )
        assert status == 0, printed.err
        assert (tmp_path / "out" / name).exists()


def test_a_bad_picture_does_not_keep_the_rest_of_its_folder_waiting(srlab, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "b.png").write_text("no picture")
    command = ("upscale", "model=bicubic", "scale=2", "input=in")
    assert refused(srlab(*command, "output=out"), "b.png is not a readable image")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a_x2.png", "c_x2.png"}
    assert refused(srlab(*command, "output=in/"), "the same folder")


def test_a_folder_that_is_called_like_a_published_set_is_not_taken_for_it(srlab, tmp_path):
    (tmp_path / "Set5").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "Set5" / "a.png")
    status, printed = srlab(
        "evaluate", "model=bicubic", "scale=2", "testset=folder", "testset.folder.path=Set5"
    )
    assert status == 0
    assert "published" not in printed.out
    assert "Set5/" in printed.out


def test_a_working_folder_that_is_gone_is_told(monkeypatch, tmp_path, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "argv", ["srlab", "train"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "is gone: change to another" in capsys.readouterr().err
