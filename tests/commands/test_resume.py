"""A run is never lost and never silently different: the real command line, really killed."""

import contextlib
import random
import shutil
import signal
import subprocess
import time

import common
import pytest
import torch
from common import command_line, save_pictures, wait_for
from PIL import Image

from srlab.training import loop

STEPS = 1200


@pytest.fixture
def workplace(tmp_path):
    """Make a folder with a few small images to train and to judge on."""
    save_pictures(tmp_path, train=3, test=1)
    return tmp_path


def start(folder, *overrides):
    return common.start(folder, "train", *overrides)


def settings(run_dir, steps=STEPS):
    return [
        "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
        "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8", f"trainer.steps={steps}",
        "trainer.save_every=25", "trainer.eval_every=100", "trainer.log_every=50",
        f"run_dir={run_dir}",
    ]  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def final(folder, run_dir):
    """Return all of a checkpoint but how long it took."""
    checkpoint = torch.load(folder / run_dir / "last.pt", weights_only=True)
    assert checkpoint.pop("seconds") > 0
    return checkpoint


def step(checkpoint):
    return torch.load(checkpoint, weights_only=True)["step"] if checkpoint.exists() else 0


def same(a, b):
    """Tell whether two checkpoints hold the same bits, optimizer and history included."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_a_run_killed_five_times_ends_with_the_same_bits_as_one_left_alone(workplace):
    finish(start(workplace, *settings("whole")))
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    process = start(workplace, *settings("killed"))
    for kill in range(5):
        wait_for((workplace / "killed" / "config.yaml").exists, process)
        if kill:  # the first may hit at any time after the folder was made
            # Steps, not seconds, so that no machine is fast enough to finish in between.
            saved = step(workplace / "killed" / "last.pt")
            further = saved + rng.randrange(25, 200, 25)
            wait_for(lambda to=further: step(workplace / "killed" / "last.pt") >= to, process)
            time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        workers = rng.choice([0, 1, 2])
        process = start(workplace, "resume=killed", f"trainer.workers={workers}")
    finish(process)

    whole, killed = final(workplace, "whole"), final(workplace, "killed")
    assert killed["step"] == STEPS
    assert same(whole["weights"], killed["weights"]), f"seed {seed}"
    assert same(whole["training"], killed["training"]), f"seed {seed}"
    best = [torch.load(workplace / r / "best.pt", weights_only=True) for r in ("whole", "killed")]
    assert same(best[0]["weights"], best[1]["weights"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_leaves_and_the_run_goes_on(workplace, number, status):
    slow = [*settings("run", steps=800), "trainer.save_every=100000"]
    process = start(workplace, *slow)
    assert "training" in process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "srlab train resume=run" in err
    assert "Traceback" not in err
    step = final(workplace, "run")["step"]
    assert f"stopped at step {step:,}" in err
    assert 0 < step < 800

    finish(start(workplace, "resume=run"))
    finish(start(workplace, *slow[:-2], "run_dir=whole", "trainer.save_every=100000"))
    assert same(final(workplace, "run")["training"], final(workplace, "whole")["training"])
    assert {path.name for path in (workplace / "run").iterdir()} == {
        path.name for path in (workplace / "whole").iterdir()
    }


def test_a_finished_run_is_not_run_again(workplace):
    finish(start(workplace, *settings("run", steps=20)))
    before = (workplace / "run" / "last.pt").stat().st_mtime_ns
    assert "is finished" in finish(start(workplace, "resume=run"))
    assert (workplace / "run" / "last.pt").stat().st_mtime_ns == before


def test_a_run_killed_while_it_wrote_its_results_writes_them_when_resumed(workplace):
    finish(start(workplace, *settings("run", steps=20)))
    (workplace / "run" / "results.json").unlink()  # the last to be written
    (workplace / "run" / "comparison.png").unlink()
    assert "use it:" in finish(start(workplace, "resume=run"))
    assert (workplace / "run" / "comparison.png").exists()
    assert (workplace / "run" / "results.json").exists()


def test_a_run_is_resumed_from_another_folder(workplace):
    process = start(workplace, *settings("run", steps=800))
    wait_for((workplace / "run" / "last.pt").exists, process)
    process.kill()
    process.communicate()
    (workplace / "elsewhere").mkdir()
    finish(start(workplace / "elsewhere", f"resume={workplace / 'run'}"))


def test_a_resumed_run_takes_no_new_settings_and_no_new_images(workplace):
    process = start(workplace, *settings("run"))
    wait_for((workplace / "run" / "last.pt").exists, process)
    process.kill()
    process.communicate()
    refused = start(workplace, "resume=run", "optim.lr=1")
    assert "optim.lr=1 cannot be given with resume=" in refused.communicate()[1]
    assert refused.returncode == 2

    path = workplace / "train" / "0.png"
    Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    refused = start(workplace, "resume=run")
    assert "the training images have changed" in refused.communicate()[1]
    assert refused.returncode == 2


def test_two_processes_do_not_train_in_one_folder(workplace):
    pytest.importorskip("fcntl", reason="Windows has no advisory locks on folders")
    process = start(workplace, *settings("run", steps=100_000))
    assert "training" in process.stdout.readline()
    second = start(workplace, "resume=run")
    assert "another process is training in run" in second.communicate()[1]
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
    process = start(workplace, *settings("disk/run", steps=100_000))
    try:
        wait_for((disk / "run" / "last.pt").exists, process)
        with contextlib.suppress(OSError):  # until there is no space
            (disk / "filler").write_bytes(b"x" * 2**21)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 2, err
        assert "No space left on device" in err
        assert "Traceback" not in err
        kept = final(workplace, "disk/run")["step"]
        (disk / "filler").unlink()
        assert kept > 0
    finally:
        process.kill()
        process.communicate()
        subprocess.run(["umount", str(disk)], check=True)


def test_a_run_that_fills_the_memory_is_saved_and_goes_on_to_the_same_bits(
    workplace, monkeypatch, capsys
):
    monkeypatch.chdir(workplace)
    srlab = command_line(monkeypatch, capsys)
    assert srlab("train", *settings("whole", steps=60))[0] == 0
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
        status, printed = srlab("train", *settings("full", steps=60))
    assert status == 2
    assert printed.err.count("\n") == 1
    assert "the memory of the GPU is full: lower trainer.batch_size" in printed.err
    assert "the last good checkpoint is full/last.pt (step 37)" in printed.err
    assert "srlab train resume=full" in printed.err
    assert step(workplace / "full" / "last.pt") == 37
    shutil.copytree("full", "copy")  # this process keeps the run itself locked
    finish(start(workplace, "resume=copy"))
    assert same(final(workplace, "whole")["weights"], final(workplace, "copy")["weights"])
