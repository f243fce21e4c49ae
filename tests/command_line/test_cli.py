"""Guards: the main job, from a training to a picture, through the real command line."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from common import UPSAMPLER_OF_A_USER, command_line, ran, save_pictures
from forks import forked
from omegaconf import OmegaConf
from PIL import Image

from srlab import __version__
from srlab.cli import main
from srlab.command_line.verbs import BENCHES, VERBS
from srlab.config.paths import config_dir
from srlab.data.named import SETS
from srlab.evaluation.published import published


@pytest.fixture
def srlab(monkeypatch, capsys, tmp_path):
    """Run the command line in this process, in an empty folder; return what it printed."""
    monkeypatch.chdir(tmp_path)
    command = command_line(monkeypatch, capsys)

    def run(*arguments):
        status, printed = command(*arguments)
        assert not status, printed.err
        return printed.out

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train the default network for 150 steps in a process of its own, as a user would."""
    folder = tmp_path_factory.mktemp("job")
    process = forked(
        folder, "train", "trainer.steps=150", "trainer.eval_every=75", "trainer.batch_size=8",
        "device=cpu", "run_dir=first",
    )  # fmt: skip
    job = process.communicate()
    assert process.returncode == 0, job
    return folder / "first", job


def test_a_short_training_beats_bicubic_on_held_out_photographs(trained):
    run, (out, _) = trained
    bicubic, ours = json.loads((run / "results.json").read_text())
    assert bicubic["method"] == "bicubic"
    assert bicubic["psnr"] == pytest.approx(29.98, abs=0.005)
    assert bicubic["ssim"] == pytest.approx(0.8523, abs=0.0001)
    assert ours["psnr"] > bicubic["psnr"] + 0.2
    assert ours["ssim"] > bicubic["ssim"]
    assert f"{ours['psnr']:.2f}" in out
    assert "MATLAB bicubic / 3" in ours["protocol"]
    assert {image["image"] for image in ours["images"]} == {"astronaut", "chelsea", "coffee"}


def test_a_run_without_a_terminal_draws_no_progress_line(trained):
    _, (out, err) = trained
    assert err == ""
    assert "\r" not in out
    assert sum(line.endswith("steps/s)") for line in out.splitlines()) == 2


def test_a_run_folder_explains_itself(trained):
    run, (out, _) = trained
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.yaml", "environment.json", "last.pt", "best.pt", "metrics.json",
                     "results.json", "results.csv", "comparison.png", "tensorboard"}  # fmt: skip
    assert (run / "log.txt").read_text() == out
    history = json.loads((run / "metrics.json").read_text())["history"]
    assert [record["step"] for record in history] == [75, 150]
    ours = json.loads((run / "results.json").read_text())[1]
    assert history[-1]["ripple"] == ours["ripple"] < 0.3
    assert 0 <= history[-1]["flat_ripple"] < 1
    rows = list(csv.DictReader((run / "results.csv").read_text().splitlines()))
    assert len(rows) == 8
    with Image.open(run / "comparison.png") as picture:
        assert picture.size == (4 * 288 + 5 * 8, 288 + 2 * 8 + 26)


def test_tensorboard_has_every_curve_and_the_pictures(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, _ = trained
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    for curve in ("loss/total", "loss/pixel", "train/learning_rate", "train/steps_per_second"):
        assert curve in tags["scalars"]
    judged = {"psnr/photos", "ssim/photos", "checkerboard/photos", "checkerboard/flat"}
    assert judged <= set(tags["scalars"])
    assert set(tags["images"]) == {"astronaut/bicubic", "astronaut/sr", "astronaut/hr"}
    assert [event.step for event in events.Scalars("psnr/photos")] == [75, 150]


def test_evaluating_the_checkpoint_repeats_the_score_of_the_run(trained, srlab):
    run, _ = trained
    printed = srlab("evaluate", f"checkpoint={run}/last.pt", "output=scores", "tile=50")
    assert "protocol:" in printed
    again = json.loads(Path("scores/results.json").read_text())[0]
    then = json.loads((run / "results.json").read_text())[1]
    assert again["psnr"] == pytest.approx(then["psnr"], abs=1e-3)
    assert again["ssim"] == pytest.approx(then["ssim"], abs=1e-5)


def test_a_second_evaluation_overwrites_nothing(trained, srlab):
    run, _ = trained
    copy = shutil.copy(run / "last.pt", "last.pt")
    for _ in range(2):
        srlab("evaluate", f"checkpoint={copy}", "testset=photos")
    assert len(list(Path("evaluations").iterdir())) == 2


def test_a_checkpoint_of_another_scale_is_refused(trained, srlab):
    run, _ = trained
    with pytest.raises(AssertionError, match="was trained for scale 3, but scale=4 is asked"):
        srlab("evaluate", f"checkpoint={run}/last.pt", "scale=4")


def test_upscaling_a_folder_goes_on_where_it_was_stopped(trained, srlab, tmp_path):
    run, _ = trained
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 256, (20, 31, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    command = ("upscale", f"checkpoint={run}/last.pt", "input=in", "output=out")
    srlab(*command)
    first = (tmp_path / "out" / "a_x3.png").read_bytes()
    (tmp_path / "out" / "b_x3.png").unlink()
    assert "1 of 2 pictures are there already" in srlab(*command)
    assert (tmp_path / "out" / "a_x3.png").read_bytes() == first
    with Image.open(tmp_path / "out" / "b_x3.png") as picture:
        assert picture.size == (93, 60)


def test_grey_pictures_are_judged_alike_whatever_the_network_sees(srlab, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 12), dtype=np.uint8)
    (tmp_path / "grey").mkdir()
    picture = Image.fromarray(noise).resize((60, 60), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "grey" / "a.png")
    scores = []
    for colour in ("y", "rgb"):
        srlab("evaluate", "model=bicubic", "scale=3", f"colour={colour}", "testset=folder",
              "testset.folder.path=grey", f"output={colour}")  # fmt: skip
        scores.append(json.loads(Path(colour, "results.json").read_text())[0]["psnr"])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


@pytest.fixture
def small(tmp_path):
    """Return the settings of a training of two steps on small pictures."""
    save_pictures(tmp_path, train=2, test=1, coarse=(9, 9, 3))
    return [
        "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test", "scale=2",
        "trainer.steps=2", "trainer.batch_size=2", "trainer.patch_size=8", "device=cpu",
    ]  # fmt: skip


def test_an_rgb_network_trains_and_upscales_colour(srlab, small):
    srlab("train", *small, "colour=rgb", "run_dir=run")
    config = torch.load("run/last.pt", weights_only=True)["config"]
    assert config["model"]["channels"] == 3
    Image.new("RGB", (9, 7), (200, 30, 60)).save("a.png")
    srlab("upscale", "checkpoint=run/last.pt", "input=a.png", "output=b.png", "ensemble=true")
    with Image.open("b.png") as picture:
        assert (picture.size, picture.mode) == ((18, 14), "RGB")
        assert np.abs(np.asarray(picture)[7, 9].astype(int) - [200, 30, 60]).max() < 25


@pytest.mark.parametrize(
    ("model", "upsampler"),
    [("espcn", "deconv"), ("srcnn", "bicubic")],
)
def test_any_upsampler_goes_into_any_model_by_one_override(srlab, small, model, upsampler):
    chosen = (f"model={model}", f"upsampler={upsampler}")
    printed = srlab("train", *chosen, *small, "loss.tv_weight=1e-4", "run_dir=run")
    assert f"{model}-{upsampler}-x2" in printed


def test_a_multirun_keeps_its_runs_in_one_folder(srlab, small, tmp_path):
    srlab("train", "-m", "seed=0,1", *small, "hydra.sweep.dir=sweep")
    assert {path.parent.name for path in (tmp_path / "sweep").glob("*/last.pt")} == {"0", "1"}


def test_help_names_every_group_option_and_verb(srlab):
    printed = srlab("--help")
    for word in ("train", "evaluate", "upscale", "completion", "pixel_shuffle", "set14", "srcnn"):
        assert word in printed


def test_the_help_of_a_verb_shows_its_groups(srlab):
    printed = srlab("train", "--help")
    shown = OmegaConf.load(config_dir() / "train.yaml").hydra.help.template
    assert "Examples:" in shown
    assert shown.splitlines()[-1] in printed
    for group in ("model", "upsampler", "data"):
        assert all(option.stem in printed for option in (config_dir() / group).glob("*.yaml"))
    printed = srlab("evaluate", "--help")
    assert all(option.stem in printed for option in (config_dir() / "testset").glob("*.yaml"))


def test_the_help_of_every_verb_has_an_example():
    named = {name: verb.config for name, verb in VERBS.items() if verb.config}
    named |= {"sweep": "sweep", "tune": "tune"}
    named |= {f"bench {name}": verb.config for name, verb in BENCHES.items()}
    assert len(named) == 12
    for name, primary in named.items():
        template = OmegaConf.load(config_dir() / f"{primary}.yaml").hydra.help.template
        text, examples = template.split("Examples:")
        assert text.startswith(f"srlab {name}: ")
        assert sum(line.strip().startswith(f"srlab {name}") for line in examples.splitlines()) >= 2


def test_completion_knows_verbs_groups_and_keys(srlab, monkeypatch):
    for line, answer in (
        ("srlab ", "train"),
        ("srlab ev", "evaluate"),
        ("srlab train upsampler=", "upsampler=deconv"),
        ("srlab train model=sr", "model=srcnn"),
        ("srlab train trainer.st", "trainer.steps="),
        ("srlab evaluate testset=", "testset=set14"),
        ("srlab data ", "fetch"),
        ("srlab data fetch ", "set5"),
        ("srlab completion ", "zsh"),
    ):
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        assert answer in srlab("completion", "query").split(), line


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_completion_script_works_in_bash(trained, tmp_path):
    (tmp_path / "srlab").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m srlab "$@"\n')
    (tmp_path / "srlab").chmod(0o755)
    (tmp_path / "photo.png").touch()
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    def completed(line, breaks):
        script = (
            f'eval "$(srlab completion bash)"; COMP_WORDBREAKS="{breaks}"; COMP_LINE="{line}"; '
            'COMP_POINT=${#COMP_LINE}; _srlab; echo "${COMPREPLY[@]}"'
        )
        return subprocess.run(
            ["bash", "-c", script], env=os.environ | {"PATH": path},
            capture_output=True, text=True, cwd=tmp_path,
        ).stdout.strip()  # fmt: skip

    assert completed("srlab train upsampler=pi", " :") == "upsampler=pixel_shuffle"
    assert completed("srlab train upsampler=pi", " =:") == "pixel_shuffle"  # bash splits at =
    assert completed("srlab upscale input=pho", " =:") == "photo.png"
    assert completed("srlab ev", " =:") == "evaluate"


def test_an_upsampler_of_the_users_is_two_files(small, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # to which the folder is added
    (tmp_path / "upsampler_of_mine.py").write_text(UPSAMPLER_OF_A_USER)
    (tmp_path / "conf" / "upsampler").mkdir(parents=True)
    (tmp_path / "conf" / "upsampler" / "mine.yaml").write_text(
        "_target_: upsampler_of_mine.Theirs\n_partial_: true\nkernel_size: 5\n"
    )
    train = ("train", "--config-dir", "conf", "upsampler=mine", *small, "run_dir=run")
    padded = ran(tmp_path, *train, "+upsampler.padding=2")
    assert padded.returncode == 2
    assert "makes 26x28 of 9x10 pixels, not 18x20" in padded.stderr
    assert ran(tmp_path, *train).returncode == 0
    evaluate = ("evaluate", "checkpoint=run", *small[2:4])
    untrusted = ran(tmp_path, *evaluate)
    assert untrusted.returncode == 2
    assert "trust=[upsampler_of_mine]" in untrusted.stderr
    assert ran(tmp_path, *evaluate, "trust=[upsampler_of_mine]", "tile=20").returncode == 0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_reproduces_the_published_rows(srlab, scale):
    roots = [Path(os.environ.get("SRLAB_DATA", "data")), Path("data")]
    for name in ("Set5", "Set14"):
        if not any((root / name).is_dir() for root in roots):
            pytest.skip(f"{name} is not under SRLAB_DATA")
        assert name in SETS
    srlab("evaluate", "model=bicubic", f"scale={scale}", "testset=[set5,set14]", "output=out")
    for result in json.loads(Path("out/results.json").read_text()):
        figure = published("bicubic", result["testset"], scale)
        assert figure is not None
        assert result["psnr"] == pytest.approx(figure.psnr, abs=0.02)
        assert result["ssim"] == pytest.approx(figure.ssim, abs=0.001)


def test_the_version_is_told_in_a_checkout_that_is_not_installed(tmp_path):
    # By itself: no folder of the environment says which version is installed.
    package = Path(main.__code__.co_filename).parent
    shutil.copytree(package, tmp_path / "srlab")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[1:] = ['--version']\n"
        "from srlab.cli import main; main()"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"srlab {__version__}\n"), ran.stderr
