"""Guards: all of ``scripts/measure/gpu.py`` runs, keeps to its time and says what is so."""

import argparse
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from forks import ForkedPython
from torch.autograd import DeviceType

SCRIPTS = Path(__file__).parents[2] / "scripts/measure"


@pytest.fixture
def part(monkeypatch):
    """Return what imports a file of the script."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def tour(part, tmp_path):
    """Return a tour with a minute for its stage."""
    for name in ("results", "scratch"):
        (tmp_path / name).mkdir()
    options = argparse.Namespace(slow=1.0, device="cpu", tiny=True, out=tmp_path / "out")
    now = time.monotonic()
    return part("gpu_commands").Tour(
        options, tmp_path / "results", tmp_path / "scratch", now + 60, stage_end=now + 60
    )


def start(place, *arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SRLAB_DATA": str(place)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPTS / "gpu.py"), "--device", "cpu", "--tiny", *arguments],
        env=environment, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(place, *arguments):
    process = start(place, *arguments)
    printed, complained = process.communicate()
    return process.returncode, printed, complained


def test_every_stage_runs_and_all_of_it_lies_in_two_files(part, tmp_path, monkeypatch):
    out, gpu = tmp_path / "out", part("gpu")
    options = f"--device cpu --tiny --out {out} --slow 8 --budget 4000"
    monkeypatch.setattr(sys, "argv", ["gpu.py", *options.split()])
    monkeypatch.setattr(subprocess, "Popen", ForkedPython)  # a dozen that import torch
    monkeypatch.setattr(gpu, "commit", lambda: "c0ffee")
    monkeypatch.setenv("SRLAB_DATA", str(tmp_path))
    # Its own plug-ins are imported already.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-W ignore::pytest.PytestAssertRewriteWarning")
    before = signal.getsignal(signal.SIGTERM)
    try:
        status = gpu.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert {path.name for path in out.iterdir()} == {"summary.txt", "results.tgz"}
    summary = (out / "summary.txt").read_text()
    assert status == 0, summary
    begun = re.findall(r"^\[\d+ s\] (\w+), at most", summary, re.MULTILINE)
    assert begun == list(gpu.STAGES)
    assert "nothing failed or was cut off" in summary
    assert "tiny settings" in summary
    goals = summary.partition("in brief")[2].splitlines()[1:]
    assert len(goals) == 6
    assert all(line.endswith("| not measured") for line in goals)  # none is about a CPU
    assert summary.startswith("srlab c0ffee, ")
    with tarfile.open(out / "results.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("results/*.json")}

    for name in ("train-espcn-fp32", "train-espcn-launched", "upscale-fsrcnn-x4-fp32"):
        assert found[name]["ratio"] > 0
    assert found["clock"]["psnr"] > 20
    assert [step for step, _ in found["clock"]["curve"]] == [4, 8]
    assert found["smoke"]["difference"] == found["smoke"]["levels_fp32"] == 0
    assert all(row["trained"] and not row["recorded"] for row in found["models"])
    assert [row["model"] for row in found["profile"]] == ["espcn", "edsr_baseline"]
    assert found["crowd"][0]["finished"] == 2
    assert {"torch", "cuda", "cudnn", "card"} <= set(found["machine"])
    assert found["probe"]["copy"] > 0
    assert "srlab train reaches" in (tmp_path / "results/train-espcn-fp32.txt").read_text()
    assert "skipped" in (tmp_path / "results/tests.txt").read_text()
    assert not list(tmp_path.glob("results/*.pt"))


@pytest.mark.parametrize("name", ["there", "there/mine"])
def test_a_folder_that_is_not_empty_is_refused(tmp_path, name):
    mine = tmp_path / "there" / "mine"
    mine.parent.mkdir()
    mine.write_text("kept")
    status, _, complained = run(tmp_path, "--out", name)
    assert status == 2
    assert complained == f"{name} is not an empty folder: name another one\n"
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]
    assert mine.read_text() == "kept"


def test_what_the_budget_does_not_hold_is_skipped_and_told(tmp_path):
    status, printed, _ = run(tmp_path, "--out", "out", "--budget", "19.5")
    assert status == 0
    summary = (tmp_path / "out/summary.txt").read_text()
    assert summary.count("skipped: it wants") == 9
    assert "compiled skipped: it wants 30 s at least, 19 are left" in summary
    assert summary.partition("in brief")[2] in printed


def test_a_stage_gets_its_time_and_never_more_than_is_left(part, tour, monkeypatch):
    gpu, given = part("gpu"), []

    def stage(tour, _):
        given.append(tour.stage_end - time.monotonic())

    monkeypatch.setattr(gpu, "STAGES", {"short": (stage, 5, 1), "long": (stage, 900, 1)})
    tour.options.slow = 3
    gpu.run_stage(tour, "short")
    gpu.run_stage(tour, "long")
    tour.end = time.monotonic() + 2.5
    gpu.run_stage(tour, "short")  # it wants three times a second
    assert given == pytest.approx([15, 60], abs=2)
    assert "short skipped: it wants 3 s at least" in tour.lines[-1]
    assert tour.bad == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_machine_without_cuda_is_told_in_a_sentence(tmp_path):
    status, _, complained = run(tmp_path, "--out", "out", "--device", "cuda", "--stages", "smoke")
    assert status == 2
    assert complained.startswith("torch sees no CUDA device here; ")
    assert len(complained.splitlines()) == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_stopped_keeps_what_it_has(tmp_path):
    process = start(tmp_path, "--out", "out", "--stages", "smoke")
    assert "smoke, at most" in process.stdout.readline()
    time.sleep(1)  # until the probe has begun
    process.terminate()
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped before its end" in (tmp_path / "out/summary.txt").read_text()
    assert (tmp_path / "out/results.tgz").exists()


def test_a_stage_that_is_not_there_is_refused(tmp_path):
    status, _, complained = run(tmp_path, "--out", "out", "--stages", "smoke,polish")
    assert status == 2
    assert "no such stage: polish" in complained
    assert not (tmp_path / "out").exists()


STARTS_ANOTHER = """
import subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(other.pid, flush=True)
time.sleep(60)
"""


def ended(pid):
    """Tell whether a process is gone, or waits for its new parent to notice that it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_command_is_cut_off_with_all_that_it_started(part, tour):
    start = time.monotonic()
    assert not part("gpu_commands").command(tour, "sleeper", ["-c", STARTS_ANOTHER], most=3)
    assert time.monotonic() - start < 20
    assert tour.bad == ["sleeper was cut off"]
    pid = int((tour.results / "sleeper.txt").read_text())
    while not ended(pid):
        assert time.monotonic() - start < 30
        time.sleep(0.1)


def test_commands_run_side_by_side_and_the_one_that_fails_is_told(part, tour):
    commands = {"good": ["-c", "print('fine')"], "bad": ["-c", "raise SystemExit('broken')"]}
    assert part("gpu_commands").at_once(tour, commands) == ["good"]
    assert tour.bad == ["bad ended with 1"]
    assert "    broken" in tour.lines


def test_nothing_is_begun_when_the_time_of_the_stage_is_spent(part, tour):
    tour.stage_end = time.monotonic()
    assert not part("gpu_commands").command(tour, "late", ["-c", "print('begun')"])
    assert tour.bad == ["late: not begun, the time of the stage is spent"]
    assert not (tour.results / "late.txt").exists()


def test_a_stage_that_fails_does_not_stop_the_next(part, tour, monkeypatch):
    gpu = part("gpu")
    stages = {"one": (lambda *_: 1 / 0, 9, 0), "two": (lambda tour, _: tour.say("ran"), 9, 0)}
    monkeypatch.setattr(gpu, "STAGES", stages)
    for name in stages:
        gpu.run_stage(tour, name)
    assert tour.bad == ["one: ZeroDivisionError: division by zero"]
    assert tour.lines[-1] == "ran"
    assert "1 / 0" in (tour.results / "one-fault.txt").read_text()


# Stands for the child: takes a line off the list, then does what its name says.
STAND_IN = """
import json, os, pathlib, sys
file, out = (pathlib.Path(sys.argv[sys.argv.index(key) + 1]) for key in ("--child", "--out"))
line, *rest = json.loads(file.read_text())
file.write_text(json.dumps(rest))
if line["name"] == "crashes":
    os.abort()
error = "ValueError: no" if line["name"] == "fails" else None
with (out / f"{file.stem}.jsonl").open("a") as records:
    records.write(json.dumps(line | {"error": error}) + "\\n")
sys.exit(75 if rest else 0)
"""


def test_lines_that_are_left_when_a_process_ends_are_run_by_another(
    part, tour, tmp_path, monkeypatch
):
    commands = part("gpu_commands")
    (tmp_path / "child.py").write_text(STAND_IN)
    monkeypatch.setattr(commands, "SCRIPT", tmp_path / "child.py")
    jobs = [commands.job(name, "train") for name in ("first", "crashes", "fails", "last")]
    records = commands.many(tour, "some", jobs)
    assert list(records) == ["first", "fails", "last"]
    crash = f"some ended with {-signal.SIGABRT}"
    assert tour.bad == [crash, "fails: ValueError: no", "some: did not come to an end: crashes"]


def test_a_line_that_hangs_is_ended_and_shows_where(part, tour):
    commands = part("gpu_commands")
    lines = tour.scratch / "slow.json"
    lines.write_text(json.dumps([commands.job("endless", "train trainer.steps=10_000_000")]))
    child = [commands.SCRIPT, "--child", lines, "--out", tour.results, "--device", "cpu"]
    assert not commands.command(tour, "slow", [*child, "--slow", 0.01])
    assert tour.bad == [f"slow ended with {-signal.SIGALRM}"]
    assert "most recent call first" in (tour.results / "slow.txt").read_text()
    assert json.loads(lines.read_text()) == []


GOOD = {
    "models": [
        {"what": "network espcn", "recorded": True},
        {"what": "network csc_sr", "recorded": False},  # has no step by gradients
        {"what": "upsampler deconv", "recorded": False},
    ],
    "smoke": {"difference": 2e-5, "testset": "Set5"},
    "train-espcn-fp32": {"ratio": 0.96, "figures": [{"note": "channels last, CUDA graph"}]},
    "clock": {
        "data": "data=t91", "testset": "Set5", "psnr": 32.41, "seconds": 14.2, "steps": 2000,
    },
    "upscale-espcn-x3-fp16": {
        "figures": [
            {"name": "bare limit", "seconds": [2e-4]},
            {"name": "srlab, the network, on luma", "seconds": [8e-4]},
        ]
    },
}  # fmt: skip
BAD = {
    "models": [{"what": "network espcn", "recorded": False}],
    "smoke": {"difference": 2e-4, "testset": "Set5"},
    "train-espcn-fp32": GOOD["train-espcn-fp32"] | {"ratio": 0.94},
    "clock": GOOD["clock"] | {"psnr": 32.39},
    "upscale-espcn-x3-fp16": {
        "figures": [{"name": "srlab, the network, on luma", "seconds": [2e-3]}]
    },
}


@pytest.mark.parametrize(
    ("found", "judge", "verdicts"),
    [
        (GOOD, True, ["yes"] * 5 + ["not measured"]),
        (BAD, True, ["no"] * 5 + ["not measured"]),
        (GOOD, False, ["not measured"] * 6),
        ({}, True, ["not measured"] * 6),
        # Of another bare step, of other data: these do not answer the question.
        (
            {
                "train-espcn-fp32": {"ratio": 0.99, "figures": [{"note": "eager"}]},
                "clock": GOOD["clock"] | {"data": "data=photos"},
            },
            True,
            ["not measured"] * 6,
        ),
    ],
)
def test_a_goal_is_reached_or_not_by_what_was_measured(part, tmp_path, found, judge, verdicts):
    for name, content in found.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    _, *rows = part("gpu").brief(tmp_path, judge)
    assert [row.rpartition(" | ")[2] for row in rows] == verdicts


def test_the_share_of_kernels_counts_what_overlaps_once(part):
    def event(name, start, end, kind=DeviceType.CUDA, note=False):
        span = SimpleNamespace(start=start, end=end, elapsed_us=lambda: end - start)
        return SimpleNamespace(
            name=name, time_range=span, device_type=kind, is_user_annotation=note
        )

    events = [
        event("convolve", 0, 10), event("add", 5, 15), event("Memcpy DtoD", 20, 22),
        event("optimizer", 0, 100, note=True), event("aten::add", 0, 50, DeviceType.CPU),
    ]  # fmt: skip
    found = part("gpu_profile")._what_ran(events, 2, True)
    assert (found["busy_us"], found["kernels"], found["copies"]) == (8.5, 1, 0.5)
    assert [entry["name"] for entry in found["longest"]] == ["convolve", "add", "Memcpy DtoD"]
