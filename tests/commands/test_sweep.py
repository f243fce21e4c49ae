"""Sweeps: all else equal, nothing lost, nothing twice; the real command line where it matters."""

import contextlib
import json
import os
import re
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from common import command_line, save_pictures, start, wait_for
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from srlab.assembly.training_run import build_state
from srlab.command_line.invocation import Invocation
from srlab.commands.sweep.launchers import check_launcher
from srlab.commands.sweep.plan import make_plan, split_axes
from srlab.config.compose import option_node
from srlab.config.paths import config_dir
from srlab.config.register import register
from srlab.config.schema import SweepConfig, TrainConfig
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import training
from srlab.errors import ConfigError, UserError
from srlab.runs.names import run_names
from srlab.storage.folders import lock
from srlab.upsamplers.base import Upsampler

HEADS = sorted(path.stem for path in (config_dir() / "upsampler").glob("*.yaml"))
WITHOUT_WEIGHTS = {"bicubic", "bilinear", "nearest"}
BODIES = sorted({path.stem for path in (config_dir() / "model").glob("*.yaml")} - WITHOUT_WEIGHTS)
GRIDS = sorted(path.stem for path in (config_dir() / "grid").glob("*.yaml"))


def network(model, head, init=None):
    """The network of a run with seed 0, as the trainer builds it."""
    node = option_node("model", model, "model", 3)
    if init is not None and "init" in node:
        node["init"] = init
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


@pytest.mark.parametrize("init", [None, "default"])
@pytest.mark.parametrize("model", BODIES)
def test_every_head_begins_with_the_same_body(model, init):
    reference = body(network(model, "pixel_shuffle", init))
    assert reference
    compared, refused = 0, set()
    for head in HEADS:
        try:
            other = body(network(model, head, init))
        except ConfigError as error:  # it takes no head that cannot hold what it learns
            refused.add(str(error))
            continue
        compared += 1
        assert reference.keys() == other.keys()
        assert all(torch.equal(reference[name], other[name]) for name in reference), head
    assert compared >= 2
    assert model == "csc_sr" or not refused
    unfit = "cannot (represent it|take over|be given)|is larger than the filters"
    assert not [error for error in refused if not re.search(unfit, error)]


def test_every_head_sees_the_same_batches():
    pack = open_pack(training(), 3, "y", 8)
    narrow, wide = (PatchBatches(pack, 4, 8, halo, seed=5)[7] for halo in (2, 6))
    assert torch.equal(narrow[1], wide[1])
    assert torch.equal(narrow[0], wide[0][..., 4:-4, 4:-4])


@given(
    st.lists(
        st.fixed_dictionaries(
            {"seed": st.integers(0, 9).map(str), "a.b": st.text(max_size=150) | st.text("aAÄ𠀀_/")}
        ),
        unique_by=lambda run: tuple(run.items()), min_size=1, max_size=6,
    )
)  # fmt: skip
@example([{"seed": "0", "a.b": "\U00020000" * 90}])
@example([{"seed": "0", "a.b": "a"}, {"seed": "0", "a.b": "A"}])
def test_runs_have_names_of_their_own_that_file_systems_take(runs):
    names = run_names(runs)
    assert len({name.casefold() for name in names}) == len(runs)
    assert all(len(f"{name}.log".encode()) < 255 for name in names)
    assert all(re.fullmatch(r"[\w+-][\w.+-]*", name) for name in names)
    assert names == run_names(runs)


def test_a_name_does_not_change_when_values_join():
    values = ["a/b", "a_b", "a b", "x" * 120, "x" * 121, "[1,2]"]
    runs = [{"seed": "0", "data.path": value} for value in values]
    assert run_names(runs) == [name for run in runs for name in run_names([run])]


def test_names_tell_the_place_on_the_axes():
    runs = [{"seed": "0", "upsampler": "deconv", "loss.tv_weight": w} for w in ("0", "1e-3")]
    assert run_names(runs) == ["seed0-deconv-tv_weight0", "seed0-deconv-tv_weight1e-3"]


def test_axes_are_told_from_what_is_fixed():
    fixed, axes = split_axes(["scale=3", "seed=range(0,3)", "testset=[set5,set14]", "loss=l1,mse"])
    assert fixed == {"scale": "scale=3", "testset": "testset=[set5,set14]"}
    assert axes == {"seed": ["0", "1", "2"], "loss": ["l1", "mse"]}
    for text in ("optim.lr=interval(0,1)", "upsampler=glob(*)"):
        with pytest.raises(UserError, match="an axis is a list of values"):
            split_axes([text])


def test_a_launcher_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for launcher, extra in (("joblib", "joblib"), ("slurm", "slurm"), ("cluster", "ray")):
        with pytest.raises(UserError, match=rf"needs: pip install 'srlab\[{extra}\]'"):
            check_launcher(launcher)
    check_launcher("basic")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    place = tmp_path_factory.mktemp("sweep")
    save_pictures(place, train=3, test=2)
    return place


SETTINGS = [
    "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
    "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8",
]  # fmt: skip


@pytest.fixture
def here(monkeypatch, capsys, workplace):
    """Run the command line in this process, in the workplace."""
    monkeypatch.chdir(workplace)

    return command_line(monkeypatch, capsys)


def command(place, *arguments, **options):
    return start(place, "sweep", *arguments, **options)


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


def hyperparameters(run):
    """What TensorBoard's HParams tab reads from a run."""
    [events] = (run / "tensorboard").glob("*.hparams")
    found = {}
    for event in EventFileLoader(str(events)).Load():
        for value in event.summary.value:
            data = value.metadata.plugin_data
            if data.plugin_name == "hparams":
                info = HParamsPluginData.FromString(data.content).session_start_info
                for key, held in info.hparams.items():
                    found[key] = getattr(held, held.WhichOneof("kind"))
    return found


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
    assert hyperparameters(folder / "seed1-deconv") == {"seed": 1.0, "upsampler": "deconv"}
    sweep(workplace, "upsampler=deconv,pixel_shuffle", steps=20)
    assert len(list((workplace / "runs/sweeps").iterdir())) == 2
    shutil.rmtree(workplace / "runs")


def skip_without(plugin):
    if find_spec(f"hydra_plugins.hydra_{plugin}_launcher") is None:
        pytest.skip(f"hydra-{plugin}-launcher is not installed")


def test_runs_go_to_other_processes(workplace):
    skip_without("joblib")
    sweep(workplace, *AXES, "hydra/launcher=parallel", "hydra.launcher.n_jobs=2", "sweep_dir=other")
    sweep(workplace, *AXES, "sweep_dir=own")
    equal(results(workplace / "own"), results(workplace / "other"))


def test_runs_go_to_jobs(workplace):
    skip_without("submitit")
    said = sweep(workplace, "seed=0,1", "hydra/launcher=submitit_local", "sweep_dir=jobs")
    assert "compare them: srlab report sweep=jobs" in said
    assert len(results(workplace / "jobs")) == 2


def test_a_signal_stops_the_other_processes_too(workplace):
    skip_without("joblib")
    process = command(
        workplace, *SETTINGS, "trainer.steps=100_000", "seed=0,1,2", "sweep_dir=beside",
        "hydra/launcher=parallel", "hydra.launcher.n_jobs=2", start_new_session=True,
    )  # fmt: skip
    runs = [workplace / "beside" / f"seed{seed}" for seed in range(2)]
    try:
        wait_for(lambda: all((run / "config.yaml").exists() for run in runs), process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)  # waits for them: they hold its pipes
    finally:
        with contextlib.suppress(ProcessLookupError):  # if it failed, leave none of them behind
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 143
    assert "the same command goes on with the sweep" in err
    assert not (workplace / "beside/seed2").exists()
    for run in runs:
        handle = lock(run)  # refused while somebody trains there
        if handle is not None:
            os.close(handle)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to compare"),
        (["grid=tv,kernels"], "one grid at a time"),
        (["seed=0,abc"], "seed=abc: seed must be"),
        (["seed=0,-1"], "seed=-1: seed must be"),
        (["seed=0,1.5"], "seed=1.5: seed must be"),
        (["seed=0,1", "~loss"], "left empty"),
        (["seed=0,1", "upsampler=[deconv,boxed]"], "one upsampler is chosen"),
        (["seed=0,1", "resume=here"], "resume goes with srlab train"),
        (["seed=0,1", "name=mine"], "name goes with srlab train"),
        (
            ["scale=3", "upsampler=deconv,pixel_shuffle", "upsampler.kernel_size=2,9"],
            "upsampler=deconv upsampler.kernel_size=2: model: kernel_size must be",
        ),
        (["upsampler=deconv", "upsampler.kernel_size=6"], "nothing to compare"),
        (["grid=upsampler"], "did you mean 'upsamplers'"),
        (["upsampler=deconv,pixelshufle"], "did you mean 'pixel_shuffle'"),
        (["optim.lr=interval(0,1)"], "an axis is a list of values"),
        (["seed=0,1", "run_dir=here"], "a sweep names its runs itself"),
        (["upsampler=deconv", "upsampler.kernel_size=1,6"], "kernel_size=1"),
        (["seed=0,1", "sweep_dir=train"], "train is not a sweep and not empty"),
        (["seed=0,1", "data.path=nowhere"], "srlab: nowhere is not a folder"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(here, arguments, said):
    before = sorted(Path().rglob("*"))
    status, printed = here("sweep", *SETTINGS, *arguments)
    assert status == 2
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert sorted(Path().rglob("*")) == before


def test_help_the_config_and_completion_start_nothing(here, monkeypatch):
    before = sorted(Path().rglob("*"))
    for arguments, said in ((["--help"], "grid=NAME"), (["--cfg", "job", *AXES], "upsampler:")):
        status, printed = here("sweep", *arguments)
        assert status == 0
        assert said in printed.out
    monkeypatch.setenv("COMP_LINE", "srlab sweep grid=")
    monkeypatch.setenv("COMP_POINT", "99")
    _, printed = here("completion", "query")
    assert {f"grid={grid}" for grid in GRIDS} <= set(printed.out.split())
    assert sorted(Path().rglob("*")) == before


def test_two_processes_do_not_run_one_sweep(here, workplace):
    pytest.importorskip("fcntl", reason="Windows has no advisory locks on folders")
    process = command(workplace, *SETTINGS, "trainer.steps=100_000", *AXES, "sweep_dir=shared")
    try:
        wait_for((workplace / "shared/seed0-deconv/config.yaml").exists, process)
        settings = [*SETTINGS, "trainer.steps=100_000", *AXES, "sweep_dir=shared"]
        status, printed = here("sweep", *settings)
        assert status == 2
        assert "another process is training in shared" in printed.err
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("launcher", "plugin", "key"),
    [
        ("parallel", "joblib", "n_jobs"),
        ("slurm", "submitit", "timeout_min"),
        ("cluster", "ray", "ray"),
    ],
)
def test_settings_for_launchers_fit_the_plugins(launcher, plugin, key):
    skip_without(plugin)
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        overrides = [f"hydra/launcher={launcher}"]
        config = compose("train", overrides=overrides, return_hydra_config=True)
    ours = OmegaConf.load(config_dir() / "hydra/launcher" / f"{launcher}.yaml")
    node = config.hydra.launcher
    assert plugin in node["_target_"]
    assert node[key] == ours[key]
    for name in ours.keys() - {"defaults"}:
        assert str(node[name]) == str(ours[name]), name  # joblib's plug-in has texts for numbers


@pytest.mark.parametrize("grid", GRIDS)
def test_every_grid_can_be_made(grid, tmp_path, monkeypatch):
    node = OmegaConf.load(config_dir() / "grid" / f"{grid}.yaml")
    fixed, axes = split_axes(f"{key}={value}" for key, value in node.items())
    register()
    monkeypatch.chdir(tmp_path)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        call = Invocation(SweepConfig(sweep_dir="there"), {"grid": grid})
        plan = make_plan(call, fixed, axes, "srlab sweep")
    assert len(plan.names) == np.prod([len(values) for values in axes.values()])
    assert plan.missing == plan.names
