"""Guards: a run that is stopped, however it is, is never lost and goes on to the same bits."""

import contextlib
import random
import shutil
import signal
import subprocess
import time

import pytest
import torch
from common import ran, save_pictures, wait_for
from forks import forked
from PIL import Image

from srlab.training import loop

STEPS = 200


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a few small pictures and a run, ``whole``, that was left alone."""
    place = tmp_path_factory.mktemp("resume")
    save_pictures(place, train=3, test=1)
    finish(place, *settings("whole"))
    return place


@pytest.fixture(scope="module")
def killed(workplace):
    """A run in the workplace that was killed after it had saved; a test copies it."""
    process = forked(workplace, "train", *settings("was_killed"))
    wait_for((workplace / "was_killed/last.pt").exists, process)
    process.kill()
    process.communicate()
    return workplace / "was_killed"


def settings(run_dir):
    return [
        "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
        "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8", f"trainer.steps={STEPS}",
        "trainer.save_every=10", "trainer.eval_every=50", "trainer.log_every=50",
        f"run_dir={run_dir}",
    ]  # fmt: skip


def finish(folder, *overrides):
    done = ran(folder, "train", *overrides)
    assert done.returncode == 0, done.stderr
    return done.stdout


def final(run):
    """Return all of a checkpoint but how long it took."""
    checkpoint = torch.load(run / "last.pt", weights_only=True)
    assert checkpoint.pop("seconds") > 0
    return checkpoint


def step(checkpoint):
    return torch.load(checkpoint, weights_only=True)["step"] if checkpoint.exists() else 0


def wait_for_step(number, checkpoint, process):
    """Wait until a checkpoint is of this step or a later one; read it only where it has changed."""
    seen = None

    def reached():
        nonlocal seen
        before, seen = seen, checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        return seen != before and step(checkpoint) >= number

    wait_for(reached, process)


def same(a, b):
    """Tell whether two checkpoints hold the same bits, optimizer and history included."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_a_run_killed_three_times_ends_with_the_same_bits_as_one_left_alone(workplace):
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    run = workplace / "killed"
    process = forked(workplace, "train", *settings("killed"))
    for kill in range(3):
        wait_for((run / "config.yaml").exists, process)
        if kill:  # the first may hit at any time after the folder was made
            # Steps, not seconds, so that no machine is fast enough to finish in between.
            further = step(run / "last.pt") + rng.randrange(10, 40, 10)
            wait_for_step(further, run / "last.pt", process)
            time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        workers = rng.choice([0, 1, 2])
        process = forked(workplace, "train", "resume=killed", f"trainer.workers={workers}")
    _, err = process.communicate()
    assert process.returncode == 0, err

    assert final(run)["step"] == STEPS
    whole = workplace / "whole"
    assert same(final(whole)["weights"], final(run)["weights"]), f"seed {seed}"
    assert same(final(whole)["training"], final(run)["training"]), f"seed {seed}"
    best = [torch.load(folder / "best.pt", weights_only=True) for folder in (whole, run)]
    assert same(best[0]["weights"], best[1]["weights"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_leaves_and_the_run_goes_on(workplace, number, status):
    run = workplace / f"signal{status}"
    never = ("trainer.save_every=100000", "trainer.eval_every=100000")
    process = forked(workplace, "train", *settings(run.name), *never)
    wait_for(lambda: "training" in process.said()[0], process)
    time.sleep(0.2)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == status
    assert f"srlab train resume={run.name}" in err
    assert "Traceback" not in err
    stopped_at = final(run)["step"]
    assert f"stopped at step {stopped_at:,}" in err
    assert 0 < stopped_at < STEPS

    finish(workplace, f"resume={run.name}")
    assert same(final(run)["weights"], final(workplace / "whole")["weights"])
    assert {path.name for path in run.iterdir()} == {
        path.name for path in (workplace / "whole").iterdir()
    }


def test_a_finished_run_is_not_run_again(workplace):
    before = (workplace / "whole/last.pt").stat().st_mtime_ns
    assert "is finished" in finish(workplace, "resume=whole")
    assert (workplace / "whole/last.pt").stat().st_mtime_ns == before


def test_a_finished_run_goes_on_for_longer(workplace):
    finish(workplace, *settings("long"), "schedule=constant")
    finish(workplace, *settings("short"), "schedule=constant", "trainer.steps=150")
    refused = ran(workplace, "train", "resume=short", "trainer.steps=100")
    assert "the run takes 150, and may only be longer" in refused.stderr
    said = finish(workplace, "resume=short", f"trainer.steps={STEPS}")
    assert (
        "200 steps instead of 150: from step 150 on the learning rate is 1 of optim.lr, where 1 was"
    ) in said
    long, short = final(workplace / "long"), final(workplace / "short")
    assert same(long["weights"], short["weights"])
    assert same(long["training"], short["training"])
    assert "is finished: 200 steps" in finish(workplace, "resume=short")


def test_phases_give_the_same_bits_however_often_a_run_is_resumed(workplace):
    phases = (
        "trainer.phases=[{step: 20, patch_size: 12},{step: 30, patch_size: 6, batch_size: 4}]",
        "trainer.accumulate=2", "trainer.steps=40", "trainer.eval_every=16", "schedule=constant",
    )  # fmt: skip
    said = finish(workplace, *settings("phases"), *phases)
    assert "from step 20 on batches of 2 patches of 12x12" in said
    assert "from step 30 on batches of 4 patches of 6x6" in said
    process = forked(workplace, "train", *settings("cut"), *phases, "trainer.steps=32")
    wait_for_step(10, workplace / "cut/last.pt", process)
    process.kill()
    process.communicate()
    finish(workplace, "resume=cut", "trainer.workers=1")
    said = finish(workplace, "resume=cut", "trainer.steps=40")
    assert "from step 32 on batches of 4 patches of 6x6" in said
    whole, cut = (final(workplace / name) for name in ("phases", "cut"))
    assert same(whole["weights"], cut["weights"])
    assert same(whole["training"], cut["training"])


def test_a_run_killed_while_it_wrote_its_results_writes_them_when_resumed(workplace):
    run = shutil.copytree(workplace / "whole", workplace / "without_results")
    (run / "results.json").unlink()  # the last to be written
    (run / "comparison.png").unlink()
    assert "use it:" in finish(workplace, "resume=without_results")
    assert (run / "comparison.png").exists()
    assert (run / "results.json").exists()


def test_a_run_is_resumed_from_another_folder(workplace, killed, tmp_path):
    run = shutil.copytree(killed, workplace / "from_elsewhere")
    finish(tmp_path, f"resume={run}")
    assert same(final(run)["weights"], final(workplace / "whole")["weights"])


def test_a_resumed_run_takes_no_new_settings_and_no_new_images(workplace, killed, tmp_path):
    refused = ran(workplace, "train", "resume=was_killed", "optim.lr=1")
    assert "optim.lr=1 cannot be given with resume=" in refused.stderr
    assert refused.returncode == 2

    changed = shutil.copytree(killed, tmp_path / "changed") / "config.yaml"
    changed.write_text(changed.read_text().replace("lr: 0.001", "lr: 0.003"))
    refused = ran(tmp_path, "train", "resume=changed")
    assert "config.yaml has optim.lr=0.003, but the run was made with 0.001" in refused.stderr

    shutil.copytree(workplace / "train", tmp_path / "train")
    config = shutil.copytree(killed, tmp_path / "run") / "config.yaml"
    config.write_text(config.read_text().replace(f"{workplace}/train", f"{tmp_path}/train"))
    path = tmp_path / "train/0.png"
    Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    refused = ran(tmp_path, "train", "resume=run")
    assert "the training images have changed" in refused.stderr
    assert refused.returncode == 2


def test_two_processes_do_not_train_in_one_folder(workplace):
    pytest.importorskip("fcntl", reason="Windows has no advisory locks on folders")
    process = forked(workplace, "train", *settings("shared"), "trainer.steps=2000")
    wait_for(lambda: "training" in process.said()[0], process)
    second = ran(workplace, "train", "resume=shared")
    assert "another process is training in shared" in second.stderr
    assert second.returncode == 2
    process.kill()
    process.communicate()


def test_a_full_disk_stops_a_run_in_a_sentence_and_keeps_the_last_checkpoint(workplace):
    disk = workplace / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True
    )
    if mount.returncode:
        pytest.skip("mounting a small disk needs root")
    process = forked(workplace, "train", *settings("disk/run"), "trainer.steps=100_000")
    try:
        wait_for((disk / "run" / "last.pt").exists, process)
        with contextlib.suppress(OSError):  # until there is no space
            (disk / "filler").write_bytes(b"x" * 2**21)
        _, err = process.communicate()
        assert process.returncode == 2, err
        assert "No space left on device" in err
        assert "Traceback" not in err
        kept = final(disk / "run")["step"]
        (disk / "filler").unlink()
        assert kept > 0
    finally:
        process.kill()
        subprocess.run(["umount", str(disk)], check=True)


def test_a_run_that_fills_the_memory_is_saved_and_goes_on_to_the_same_bits(workplace, monkeypatch):
    advance = loop.make_advance

    def until_the_memory_is_full(*arguments):
        step, taken = advance(*arguments), []

        def next_step(lr, hr):
            taken.append(lr)
            if len(taken) == 38:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
            return step(lr, hr)

        return next_step

    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_advance", until_the_memory_is_full)
        stopped = ran(workplace, "train", *settings("full"))
    assert stopped.returncode == 2
    assert stopped.stderr.count("\n") == 1
    assert "the memory of the GPU is full: lower trainer.batch_size" in stopped.stderr
    assert "the last good checkpoint is full/last.pt (step 37)" in stopped.stderr
    assert "srlab train resume=full" in stopped.stderr
    assert step(workplace / "full/last.pt") == 37
    finish(workplace, "resume=full")
    assert same(final(workplace / "full")["weights"], final(workplace / "whole")["weights"])
