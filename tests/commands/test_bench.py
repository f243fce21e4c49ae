"""Guards: measurements run, and say how fast what they name is, beside the bare limit."""

import ctypes
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from common import command_line

from srlab.commands.bench.upscale import _as_tiles, photograph
from srlab.machine.device import multiplies_bf16
from srlab.machine.facts import machine
from srlab.machine.memory import peak_memory
from srlab.measuring.measurement import Figure, Measurement, table
from srlab.measuring.timing import interleaved, median_ratio


@pytest.fixture
def srlab(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)


SMALL = {
    "train": ["model=espcn", "seconds=0.02", "batch_size=2", "patch_size=8"],
    "upscale": ["model=fsrcnn", "scale=2", "width=40", "height=23"],
    "evaluate": ["model=espcn", "scale=3", "upsampler=deconv"],
}


@pytest.mark.parametrize("subject", SMALL)
def test_a_measurement_prints_and_writes_what_its_repetitions_say(srlab, subject):
    status, printed = srlab("bench", subject, *SMALL[subject], "repeats=3", "output=found.json")
    assert status == 0, printed.err
    assert [path.name for path in Path().iterdir()] == ["found.json"]
    found = json.loads(Path("found.json").read_text())
    bare, ours = found["figures"][:2]
    assert bare["name"] == "bare limit"
    assert len(bare["seconds"]) == len(ours["seconds"]) == 3
    pairs = zip(bare["seconds"], ours["seconds"], strict=True)
    assert found["ratio"] == statistics.median(a / b for a, b in pairs)
    assert f"{ours['name']} reaches {found['ratio']:.3f} of the bare limit" in printed.out
    assert all(math.isfinite(seconds) for seconds in found["split"].values())
    assert found["machine"]["torch"] == torch.__version__
    assert found["memory"] > 50 * 2**20  # torch alone has more
    assert found["settings"]["repeats"] == 3


def test_a_network_that_learns_by_itself_is_timed_at_that(srlab):
    model = ["model=csc_sr", "model.filters=4", "scale=2"]
    arguments = [*SMALL["train"][1:], *model, "repeats=1", "output=found.json"]
    status, printed = srlab("bench", "train", *arguments)
    assert status == 0, printed.err
    assert set(json.loads(Path("found.json").read_text())["split"]) == {"batch", "learning"}
    assert "srlab train reaches" in printed.out


MISTAKES = [
    ([], ["train, upscale or evaluate"]),
    (["trian"], ["train, upscale or evaluate", "'trian'"]),
    (["train", "repeats=0"], ["repeats must be at least 1"]),
    (["train", "seconds=0"], ["seconds must be positive"]),
    (["train", "batch_sise=3"], ["'batch_sise'", "did you mean 'batch_size'?"]),
    (["train", "batch_size=0", "patch_size=0"], ["batch_size", "patch_size", "at least 1"]),
    *(
        []
        if multiplies_bf16()
        else [(["train", "precision=bf16", "device=cpu"], ["precision=bf16 needs CUDA"])]
    ),
    (["train", "model=bicubic"], ["no weights to train"]),
    (["train", "threads=-1"], ["threads must be 0"]),
    (["upscale", "scale=3"], ["model=NAME", "checkpoint=FILE"]),
    (["upscale", "model=espcn"], ["scale is missing"]),
    (["upscale", "model=espcn", "scale=3", "width=0"], ["width and height"]),
    (["upscale", "model=espcn", "scale=3", "checkpoint=a.pt"], ["not both"]),
    (["evaluate", "model=espcn", "scale=3", "tile=-2"], ["tile must be"]),
    (["evaluate", "model=espcn", "scale=3", "output=no/a.json"], ["no does not exist"]),
]


def test_a_mistake_is_told_in_a_sentence(srlab, tmp_path):
    offenders = []
    for arguments, words in MISTAKES:
        status, printed = srlab("bench", *arguments)
        told = all(word in printed.err for word in words) and "Traceback" not in printed.err
        if status != 2 or not told or list(tmp_path.iterdir()):
            offenders.append((arguments, status, printed.err))
    assert not offenders


def test_a_result_is_not_overwritten(srlab):
    Path("found.json").write_text("mine")
    _, printed = srlab("bench", "upscale", *SMALL["upscale"], "output=found.json")
    assert "found.json exists" in printed.err
    assert Path("found.json").read_text() == "mine"


def test_help_says_what_is_measured(srlab):
    for arguments in ([], ["train"]):
        _, printed = srlab("bench", *arguments, "--help")
        assert " ".join(["srlab bench", *arguments]) in printed.out
        assert "bare limit" in printed.out


# --- timing


def test_functions_are_called_in_turn():
    calls = []
    runs = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    seconds = interleaved(runs, repeats=3, warm_up=1)
    assert calls == [*"abc"] * 4
    assert {name: len(times) for name, times in seconds.items()} == dict.fromkeys("abc", 3)


def test_what_takes_longer_is_seen_to():
    seconds = interleaved({"short": list, "long": lambda: time.sleep(0.01)}, repeats=3)
    assert min(seconds["long"]) >= 0.01
    assert statistics.median(seconds["long"]) > statistics.median(seconds["short"])


def test_the_ratio_is_that_of_pairs_not_of_medians():
    # A machine that is slow for a while slows both of a pair.
    assert median_ratio([1, 10, 2], [2, 20, 4]) == 0.5
    assert median_ratio([1, 5, 9], [9, 5, 1]) == 1


def test_the_table_shows_medians_rates_and_the_ratio():
    figures = [Figure("bare limit", [0.001, 0.002, 0.009], "so"), Figure("ours", [0.002] * 3)]
    shown = table(Measurement("title", "step", figures, {"batch": 0.0005}, 2**20, {}))
    assert "ms a step" in shown
    assert "steps a second" in shown
    (line,) = (row for row in shown.splitlines() if row.startswith("bare limit"))
    assert line.split() == ["bare", "limit", "2.000", "1.000", "9.000", "500.0", "so"]
    assert "ours reaches 1.000 of the bare limit (median of 3 pairs, 0.500 to 4.500)" in shown
    assert "batch 0.500" in shown
    assert "peak memory, of all that ran: 1 MiB" in shown


def test_peak_memory_grows_with_what_is_taken():
    before = peak_memory()
    taken = torch.ones(before // 4 + 2**24)  # float32: more than was ever there
    assert peak_memory() > before
    assert taken.numel()


def test_the_picture_that_is_upscaled_is_a_photograph_of_the_size_asked_for():
    for height, width in ((1, 1), (360, 640), (700, 2000)):
        pixels = photograph(height, width)
        assert pixels.shape == (height, width, 3)
    assert len({tuple(pixel) for pixel in pixels[::50, ::50].reshape(-1, 3)}) > 100


# --- memory

FAULTS = """
import resource, torch
from srlab.machine.memory import keep_freed_memory
def step():
    torch.ones(2**24)  # more than glibc keeps by itself, which is 32 MiB
def faults():
    for _ in range(20):  # until the heap has a place for it
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5
print(faults())
keep_freed_memory()
print(faults())
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt"
)
def test_freed_memory_is_kept():
    ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    returned, kept = map(float, ran.stdout.split())
    assert returned > 10  # pages, huge ones at most
    assert kept < returned / 4


def test_the_bare_limit_of_upscaling_computes_as_many_pixels_as_the_picture_has():
    for size, largest, most, expected in (
        ((360, 640), 512, 16, (2, 360, 320, 1)),
        ((270, 480), 512, 16, (1, 270, 480, 1)),
        ((2160, 3840), 512, 16, (8, 432, 480, 5)),
        ((2160, 3840), 512, 3, (3, 432, 480, 13)),
        ((360, 640), 192, 1, (1, 180, 160, 8)),
    ):
        together, rows, columns, times = _as_tiles(*size, largest, most)
        assert (together, rows, columns, times) == expected
        assert max(rows, columns) <= largest
        assert together * rows * columns * times == pytest.approx(math.prod(size), rel=0.05)


def test_what_a_measurement_on_a_gpu_depends_on_is_said_of_the_gpu_that_was_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    assert machine(torch.device("cuda:1"))["gpu"] == "card 1"
    assert {"cuda", "cudnn"} <= machine(torch.device("cuda:1")).keys()
    assert machine(torch.device("cpu"))["gpu"] is None
