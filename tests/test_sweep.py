"""Sweeps: all else equal, nothing lost, nothing twice; the real command line where it matters."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from srlab.commands.job import build_state
from srlab.commands.sweep import check_launcher, split_axes
from srlab.commands.sweep_folder import run_names
from srlab.config.compose import option_node
from srlab.config.paths import config_dir
from srlab.config.schema import TrainConfig
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import training
from srlab.errors import UserError
from srlab.upsamplers import Upsampler

HEADS = sorted(path.stem for path in (config_dir() / "upsampler").glob("*.yaml"))
BODIES = ("espcn", "srcnn", "fsrcnn", "unet", "edsr_baseline")
GRIDS = sorted(path.stem for path in (config_dir() / "grid").glob("*.yaml"))


def network(model, head):
    """The network of a run with seed 0, as the trainer builds it."""
    node = option_node("model", model, "model", 3)
    node["upsampler"] = option_node("upsampler", head, "upsampler", 3)
    loss = OmegaConf.to_container(OmegaConf.load(config_dir() / "loss/mse.yaml"))
    config = TrainConfig(
        seed=0, model=node, loss=loss,
        optim={"_target_": "torch.optim.SGD", "_partial_": True, "lr": 1e-3},
    )  # fmt: skip
    return build_state(config, torch.device("cpu"))[0].model


def body(model):
    """The weights that belong to no upsampler."""
    heads = [name for name, m in model.named_modules() if isinstance(m, Upsampler)]
    return {
        name: p for name, p in model.named_parameters()
        if not any(name.startswith(f"{head}.") for head in heads)
    }  # fmt: skip


@pytest.mark.parametrize("model", BODIES)
def test_every_head_begins_with_the_same_body(model):
    reference = body(network(model, "pixel_shuffle"))
    assert reference
    for head in HEADS:
        other = body(network(model, head))
        assert reference.keys() == other.keys()
        assert all(torch.equal(reference[name], other[name]) for name in reference), head


def test_every_head_sees_the_same_batches():
    pack = open_pack(training(), 3, "y", 8)
    narrow, wide = (PatchBatches(pack, 4, 8, halo, seed=5)[7] for halo in (2, 6))
    assert torch.equal(narrow[1], wide[1])
    assert torch.equal(narrow[0], wide[0][..., 4:-4, 4:-4])


@given(
    st.lists(
        st.fixed_dictionaries({"seed": st.integers(0, 9).map(str), "a.b": st.text(max_size=150)}),
        unique_by=lambda run: tuple(run.items()), min_size=1, max_size=6,
    )
)  # fmt: skip
def test_runs_have_names_of_their_own_that_file_systems_take(runs):
    names = run_names(runs)
    assert len(set(names)) == len(runs)
    assert all(name and len(name.encode()) < 500 and "/" not in name for name in names)
    assert names == run_names(runs)


def test_names_tell_the_place_on_the_axes():
    runs = [{"seed": "0", "upsampler": "deconv", "loss.tv_weight": w} for w in ("0", "1e-3")]
    assert run_names(runs) == ["seed0-deconv-tv_weight0", "seed0-deconv-tv_weight1e-3"]


def test_axes_are_told_from_what_is_fixed():
    fixed, axes = split_axes(["scale=3", "seed=range(0,3)", "testset=[set5,set14]", "loss=l1,mse"])
    assert fixed == {"scale": "scale=3", "testset": "testset=[set5,set14]"}
    assert axes == {"seed": ["0", "1", "2"], "loss": ["l1", "mse"]}
    with pytest.raises(UserError, match="an axis is a list of values"):
        split_axes(["optim.lr=interval(0,1)"])


def test_a_launcher_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'srlab\[ray\]'"):
        check_launcher("cluster")
    check_launcher("basic")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    place = tmp_path_factory.mktemp("sweep")
    rng = np.random.default_rng(0)
    for name, count in (("train", 3), ("test", 2)):
        (place / name).mkdir()
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8))
            coarse.resize((66, 66), Image.Resampling.BICUBIC).save(place / name / f"{number}.png")
    return place


SETTINGS = [
    "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
    "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8",
]  # fmt: skip


def command(place, *arguments, **options):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SRLAB_CACHE": str(place / "cache")}
    return subprocess.Popen(
        [sys.executable, "-m", "srlab", "sweep", *arguments],
        cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


def sweep(place, *arguments, steps=30, code=0):
    """Run a sweep to its end, and return what it says."""
    process = command(place, *SETTINGS, f"trainer.steps={steps}", *arguments)
    out, err = process.communicate(timeout=180)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    return out + err


def results(folder):
    """All that the runs of a sweep came to, but how long it took."""
    found = {}
    for run in sorted(path.parent for path in folder.glob("*/results.json")):
        metrics = json.loads((run / "metrics.json").read_text())
        del metrics["seconds"]
        weights = torch.load(run / "last.pt", weights_only=True)["weights"]
        found[run.name] = (run / "results.json").read_text(), metrics, list(weights.items())
    return found


def equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name][:2] == other[name][:2]
        pairs = zip(one[name][2], other[name][2], strict=True)
        assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


AXES = ["upsampler=deconv,pixel_shuffle", "seed=0,1"]


def wait_for(condition, process):
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, "the sweep ended before it was to be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_was_stopped_ends_as_one_that_ran_through(workplace, number):
    if not (workplace / "whole").exists():
        sweep(workplace, *AXES, "sweep_dir=whole", steps=400)
    name = f"stopped{int(number)}"
    process = command(
        workplace, *SETTINGS, "trainer.steps=400", "trainer.save_every=50", *AXES,
        f"sweep_dir={name}",
    )  # fmt: skip
    second = workplace / name / "seed0-pixel_shuffle"
    wait_for((second / "last.pt").exists, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert number == signal.SIGKILL or "the same command goes on with the sweep" in err
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert not (workplace / name / "seed1-deconv").exists()
    first = (workplace / name / "seed0-deconv/last.pt").stat().st_mtime_ns
    said = sweep(workplace, *AXES, f"sweep_dir={name}", "trainer.save_every=50", steps=400)
    assert "4 runs, 1 of them finished" in said
    assert (workplace / name / "seed0-deconv/last.pt").stat().st_mtime_ns == first
    equal(results(workplace / "whole"), results(workplace / name))


def test_a_run_that_fails_stops_nothing_else_and_is_tried_again(workplace):
    arguments = ["optim=sgd", "optim.lr=1e30,1e-3", "sweep_dir=failing"]
    for _ in range(2):
        said = sweep(workplace, *arguments, code=2)
        assert "1 of 2 runs are not finished" in said
        assert "not finite" in said
    assert "2 runs, 1 of them finished" in said
    [failure] = (workplace / "failing/failures").iterdir()
    assert "not finite" in failure.read_text()
    assert len(list((workplace / "failing").glob("*/results.json"))) == 1


def test_more_values_join_those_there_are(workplace):
    out = sweep(workplace, "upsampler=deconv,pixel_shuffle")
    assert "2 runs, 0 of them finished" in out
    [folder] = (workplace / "runs/sweeps").iterdir()
    before = {p: p.stat().st_mtime_ns for p in folder.glob("*/last.pt")}
    assert "4 runs, 2 of them finished" in sweep(workplace, *AXES)
    assert list((workplace / "runs/sweeps").iterdir()) == [folder]
    assert all(path.stat().st_mtime_ns == time_before for path, time_before in before.items())
    assert "4 runs, 4 of them finished" in sweep(workplace, *AXES)
    refused = sweep(workplace, *AXES, f"sweep_dir={folder}", steps=31, code=2)
    assert "trainer.steps=30, not 31" in refused
    events = next(folder.glob("seed0-deconv/tensorboard/*.hparams"))
    assert any(
        "upsampler" in str(value.metadata.plugin_data.content)
        for event in EventFileLoader(str(events)).Load()
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    )
    shutil.rmtree(workplace / "runs")


def test_runs_go_to_other_processes(workplace):
    if find_spec("hydra_plugins.hydra_joblib_launcher") is None:
        pytest.skip("hydra-joblib-launcher is not installed")
    sweep(workplace, *AXES, "hydra/launcher=parallel", "hydra.launcher.n_jobs=2", "sweep_dir=other")
    sweep(workplace, *AXES, "sweep_dir=own")
    equal(results(workplace / "own"), results(workplace / "other"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to compare"),
        (["grid=upsampler"], "did you mean 'upsamplers'"),
        (["upsampler=deconv,pixelshufle"], "did you mean 'pixel_shuffle'"),
        (["optim.lr=interval(0,1)"], "an axis is a list of values"),
        (["seed=0,1", "run_dir=here"], "a sweep names its runs itself"),
        (["upsampler=deconv", "upsampler.kernel_size=1,6"], "kernel_size=1"),
        (["seed=0,1", "sweep_dir=train"], "train is not a sweep and not empty"),
        (["seed=0,1", "data.path=nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(workplace, arguments, said):
    assert said in sweep(workplace, *arguments, code=2)
    assert not (workplace / "runs").exists()


def test_help_and_the_config_start_nothing(workplace):
    for arguments, said in ((["--help"], "grid=NAME"), (["--cfg", "job", *AXES], "upsampler:")):
        process = command(workplace, *arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert said in out
    assert not (workplace / "runs").exists()


@pytest.mark.parametrize("grid", GRIDS)
def test_every_grid_can_be_made(grid, tmp_path, monkeypatch):
    from hydra.core.global_hydra import GlobalHydra

    from srlab.commands import sweep as module
    from srlab.config.schema import register

    node = OmegaConf.load(config_dir() / "grid" / f"{grid}.yaml")
    fixed, axes = split_axes(f"{key}={value}" for key, value in node.items())
    register()
    monkeypatch.chdir(tmp_path)
    GlobalHydra.instance().clear()
    from hydra import initialize_config_dir

    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        plan = module.run(
            module.SweepConfig(sweep_dir="there"), {}, {"grid": grid}, fixed, axes, "srlab sweep"
        )
    assert len(plan.names) == np.prod([len(values) for values in axes.values()])
    assert plan.missing == plan.names
