"""Guards: in a sweep all else is equal, and no run is lost or made twice."""

import contextlib
import json
import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from common import command_line, ran, save_pictures, wait_for
from forks import forked
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from srlab.commands.sweep import one_run
from srlab.config.paths import config_dir
from srlab.storage.folders import lock_folder
from srlab.training import loop

SETTINGS = [
    "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
    "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8",
]  # fmt: skip
TWO = ["upsampler=deconv,pixel_shuffle", "trainer.steps=30", "trainer.save_every=10"]
FIRST, SECOND = "seed0-deconv", "seed0-pixel_shuffle"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with small pictures and a sweep that ran through, with a copy of it, ``whole``."""
    place = tmp_path_factory.mktemp("sweep")
    save_pictures(place, train=3, test=2)
    assert "2 runs, 0 of them finished" in sweep(place, *TWO)
    [folder] = (place / "runs/sweeps").iterdir()
    shutil.copytree(folder, place / "whole")
    return place


@pytest.fixture
def here(monkeypatch, capsys, workplace):
    """Run the command line in this process, in the workplace."""
    monkeypatch.chdir(workplace)
    return command_line(monkeypatch, capsys)


def sweep(place, *arguments, code=0):
    """Run a sweep to its end, and return what it says."""
    done = ran(place, "sweep", *SETTINGS, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


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


@contextlib.contextmanager
def stopped_at(step):
    """Let a signal come at a step of all that are taken."""
    make, taken = loop.make_advance, []

    def make_advance(*arguments):
        advance = make(*arguments)

        def take_step(lr, hr):
            taken.append(lr)
            if len(taken) == step:
                os.kill(os.getpid(), signal.SIGINT)
            return advance(lr, hr)

        return take_step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_advance", make_advance)
        yield


def goes_on(workplace, name):
    """Check that a sweep goes on to what one that ran through came to, from where it stands."""
    finished = {path: path.stat().st_mtime_ns for path in (workplace / name).glob("*/results.json")}
    said = sweep(workplace, *TWO, f"sweep_dir={name}")
    assert f"2 runs, {len(finished)} of them finished" in said
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
    equal(results(workplace / "whole"), results(workplace / name))


def test_a_sweep_that_was_killed_ends_as_one_that_ran_through(workplace):
    process = forked(workplace, "sweep", *SETTINGS, *TWO, "sweep_dir=killed")
    wait_for((workplace / "killed" / FIRST / "last.pt").exists, process)
    process.kill()
    process.communicate()
    assert process.returncode == -9
    goes_on(workplace, "killed")


def test_a_sweep_that_signals_stop_in_a_run_and_between_two_ends_as_one_that_ran_through(
    workplace, monkeypatch
):
    def stop(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    with stopped_at(15):
        said = sweep(workplace, *TWO, "sweep_dir=signals", code=130)
    assert f"stopped in {FIRST}, which is saved; the same command goes on with the sweep" in said
    assert torch.load(workplace / "signals" / FIRST / "last.pt", weights_only=True)["step"] == 15
    assert not (workplace / "signals" / SECOND).exists()
    with monkeypatch.context() as patch:
        patch.setattr(one_run, "record_hyperparameters", stop)  # the last that is done of a run
        said = sweep(workplace, *TWO, "sweep_dir=signals", code=143)
    assert "srlab: stopped; the same command goes on with the sweep" in said
    assert results(workplace / "signals").keys() == {FIRST}
    assert not (workplace / "signals" / SECOND).exists()
    goes_on(workplace, "signals")


def test_a_run_that_fails_stops_nothing_else_and_is_tried_again(workplace):
    arguments = ["optim=sgd", "optim.lr=1e30,1e-3", "trainer.steps=3", "sweep_dir=failing"]
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


@pytest.fixture(scope="module")
def joined(workplace):
    """The sweep that ran through, which a second seed joined; when its first runs were made."""
    [folder] = (workplace / "runs/sweeps").iterdir()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/last.pt")}
    assert "4 runs, 2 of them finished" in sweep(workplace, *TWO, "seed=0,1")
    return folder, before


def test_more_values_join_those_there_are(workplace, joined):
    folder, before = joined
    assert list((workplace / "runs/sweeps").iterdir()) == [folder]
    assert all(path.stat().st_mtime_ns == time_before for path, time_before in before.items())
    assert "4 runs, 4 of them finished" in sweep(workplace, *TWO, "seed=0,1")
    refused = sweep(workplace, TWO[0], TWO[2], f"sweep_dir={folder}", "trainer.steps=4", code=2)
    assert "trainer.steps=30, not 4" in refused
    assert hyperparameters(folder / "seed1-deconv") == {"seed": 1.0, "upsampler": "deconv"}


def skip_without(plugin):
    if find_spec(f"hydra_plugins.hydra_{plugin}_launcher") is None:
        pytest.skip(f"hydra-{plugin}-launcher is not installed")


def test_a_run_of_a_job_is_that_of_this_process(workplace, monkeypatch):
    skip_without("submitit")
    folder = Path(shutil.copytree(workplace / "whole", workplace / "elsewhere"))
    shutil.rmtree(folder / SECOND)
    monkeypatch.setattr(loop, "make_advance", None)  # this process cannot train
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as many as here: the bits depend on it
    said = sweep(workplace, *TWO, "hydra/launcher=submitit_local", "sweep_dir=elsewhere")
    assert "2 runs, 1 of them finished" in said
    assert "compare them: srlab report sweep=elsewhere" in said
    equal(results(workplace / "whole"), results(folder))


def test_runs_go_to_other_processes_which_a_signal_stops_too(workplace):
    skip_without("joblib")
    process = forked(
        workplace, "sweep", *SETTINGS, "trainer.steps=100_000", "trainer.save_every=10",
        "seed=0,1,2", "sweep_dir=beside", "hydra/launcher=parallel", "hydra.launcher.n_jobs=2",
        first="import os; os.setsid()",
    )  # fmt: skip
    runs = [workplace / "beside" / f"seed{seed}" for seed in range(2)]
    try:
        wait_for(lambda: all((run / "last.pt").exists() for run in runs), process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)  # waits for them: they hold its pipes
    finally:
        with contextlib.suppress(ProcessLookupError):  # if it failed, leave none of them behind
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 143
    assert "the same command goes on with the sweep" in err
    assert not (workplace / "beside/seed2").exists()
    for run in runs:
        assert torch.load(run / "last.pt", weights_only=True)["step"] >= 10
        handle = lock_folder(run)  # refused while somebody trains there
        if handle is not None:
            os.close(handle)


def test_a_sweep_with_until_that_stops_ends_as_one_that_was_given_its_seeds(workplace, joined):
    shutil.copytree(workplace / "whole", workplace / "until")
    arguments = [*TWO, "until=1e-9", "most_seeds=2", "sweep_dir=until"]
    with stopped_at(35):  # in the second run of the seed that was added
        said = sweep(workplace, *arguments, code=130)
    assert "1 of 1 comparisons undecided to 1e-09 dB, with 1 seed: one more is added" in said
    assert "stopped in seed1-pixel_shuffle, which is saved" in said
    said = sweep(workplace, *arguments)
    assert "with 2 seeds, which is what most_seeds=2 allows: " in said
    equal(results(joined[0]), results(workplace / "until"))


def test_seeds_are_added_until_all_is_decided_and_no_further(workplace, joined):
    said = sweep(workplace, *TWO, f"sweep_dir={joined[0]}", "until=1000")  # nothing is trained
    assert "undecided to 1000.0 dB, with 1 seed: one more is added" in said
    assert "the comparison is decided to 1000.0 dB, with 2 seeds" in said
    assert len(results(joined[0])) == 4


MISTAKES = [
    ([], "nothing to compare"),
    (["grid=tv,kernels"], "one grid at a time"),
    (["seed=0,abc"], "seed=abc: seed must be"),
    (["seed=0,-1"], "seed=-1: seed must be"),
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
    (["seed=0,1", "until=0.05"], "until decides between choices"),
    (["upsampler=deconv,boxed", "until=0"], "until=0.0: it must be dB, above 0"),
    (["upsampler=deconv,boxed", "until=1", "most_seeds=1"], "most_seeds=1: it must be"),
    (["seed=0,1", "data.path=nowhere"], "srlab: nowhere does not exist"),
]


def test_mistakes_are_told_before_anything_is_trained(here):
    before, offenders = sorted(Path().rglob("*")), []
    for arguments, said in MISTAKES:
        status, printed = here("sweep", *SETTINGS, *arguments)
        if status != 2 or said not in printed.err or "Traceback" in printed.err:
            offenders.append((arguments, status, printed.err))
    assert not offenders
    assert sorted(Path().rglob("*")) == before


def test_help_the_config_and_completion_start_nothing(here, monkeypatch):
    before = sorted(Path().rglob("*"))
    for arguments, said in ((["--help"], "grid=NAME"), (["--cfg", "job", *TWO], "upsampler:")):
        status, printed = here("sweep", *arguments)
        assert status == 0
        assert said in printed.out
    monkeypatch.setenv("COMP_LINE", "srlab sweep grid=")
    monkeypatch.setenv("COMP_POINT", "99")
    _, printed = here("completion", "query")
    grids = {f"grid={path.stem}" for path in (config_dir() / "grid").glob("*.yaml")}
    assert grids <= set(printed.out.split())
    assert sorted(Path().rglob("*")) == before


def test_two_processes_do_not_run_one_sweep(workplace):
    pytest.importorskip("fcntl", reason="Windows has no advisory locks on folders")
    settings = [*SETTINGS, *TWO, "trainer.steps=2000", "sweep_dir=shared"]
    process = forked(workplace, "sweep", *settings)
    wait_for((workplace / "shared" / FIRST / "config.yaml").exists, process)
    second = ran(workplace, "sweep", *settings)
    assert second.returncode == 2
    assert "another process is training in shared" in second.stderr
    process.kill()
    process.communicate()
