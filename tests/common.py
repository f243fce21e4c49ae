"""What several tests say: small pictures, and the command line in this process or in another."""

import atexit
import contextlib
import importlib
import io
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra._internal.hydra import Hydra
from PIL import Image
from torch.nn.functional import conv2d

from srlab.cli import main
from srlab.data.images import ImageSet
from srlab.data.pack import Pack
from srlab.sparse_coding.operators import random_filters


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def largest(x):
    return x.abs().max().item()


def count(module):
    return sum(p.numel() for p in module.parameters())


def save_pictures(place, train, test, coarse=(9, 9), size=(66, 66), prefix=""):
    """Make the folders ``train`` and ``test`` with so many smooth pictures each."""
    rng = np.random.default_rng(0)
    for name, number_of in (("train", train), ("test", test)):
        (place / name).mkdir()
        for number in range(number_of):
            pixels = Image.fromarray(rng.integers(0, 256, coarse, dtype=np.uint8))
            smooth = pixels.resize(size, Image.Resampling.BICUBIC)
            smooth.save(place / name / f"{prefix}{number}.png")


def start(folder, *arguments, path=None, **options):
    """Start srlab in a folder, as a process of its own with its packs there.

    ``path``: a folder whose modules Python finds first.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SRLAB_CACHE": str(folder / "cache")}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.Popen(
        [sys.executable, "-m", "srlab", *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


def wait_for(condition, process):
    deadline = time.monotonic() + 180  # a busy machine
    while not condition():
        assert process.poll() is None, "the process ended before it was to be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def command_line(monkeypatch, capsys):
    """Return what runs the command line in this process: its status, and what it printed."""

    def run(*arguments):
        compose_once(monkeypatch, arguments)
        monkeypatch.setattr(sys, "argv", ["srlab", *arguments])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return status, capsys.readouterr()

    return run


def compose_once(patch, arguments):
    """Let Hydra compose once for a command line that says nothing of its mode.

    It composes all of it a first time, which takes as long again, only to look for that.
    """
    if not any("hydra.mode" in argument for argument in arguments):
        patch.setattr(Hydra, "get_mode", lambda *_, **__: None)


def for_all(cases, check):
    """Run ``check(*case)`` for all cases; fail with the list of those for which it does not hold.

    A case that is no tuple is the only argument.
    """
    offenders = []
    for case in cases:
        try:
            check(*case) if isinstance(case, tuple) else check(case)
        except (Exception, pytest.fail.Exception) as error:
            offenders.append(f"{case}: {type(error).__name__}: {error}")
    assert not offenders, "\n".join(offenders)


def random_pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def image_set(place, *sizes, shrink=(1.0,)):
    """Write one PNG of noise for each size (H, W) or (H, W, 3)."""
    place.mkdir(exist_ok=True)
    for number, size in enumerate(sizes):
        Image.fromarray(random_pixels(*size, seed=number)).save(place / f"{number}.png")
    return ImageSet("noise", tuple(sorted(place.iterdir())), shrink)


def pixels_in_pack(pack, number):
    """Return the LR and HR pixels (H, W, C) of an image of a pack."""
    pairs = []
    for offset, factor in ((pack.lr_offset, 1), (pack.hr_offset, pack.scale)):
        height, width = pack.size[number] * factor
        first, count = offset[number], height * width * pack.channels
        pairs.append(pack.pixels[first : first + count].reshape(height, width, pack.channels))
    return pairs


def telling_pack(scale, *sizes):
    """Make a pack of LR images of these sizes; each pixel of LR and HR says where it is.

    It says its row, its column and the number of its image.
    """

    def telling(height, width, number):
        rows, columns = np.mgrid[:height, :width]
        return np.stack([rows, columns, np.full_like(rows, number)], axis=-1).astype(np.uint8)

    planes, lr_offset, hr_offset, total = [], [], [], 0
    for number, (height, width) in enumerate(sizes):
        lr = telling(height, width, number)
        hr = telling(height * scale, width * scale, number)
        lr_offset.append(total)
        hr_offset.append(total + lr.size)
        total += lr.size + hr.size
        planes += [lr.ravel(), hr.ravel()]
    offsets = np.array(lr_offset), np.array(hr_offset)
    return Pack(np.concatenate(planes), *offsets, np.array(sizes), scale, 3, "telling")


def above(errors, limit):
    """Return the cases whose error is not below a limit, as nan is not."""
    return {case: error for case, error in errors.items() if not error < limit}


def convolve(x, layer):
    """Convolve as a layer does whose picture is padded with zeros, whatever its own padding is."""
    return conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)


def made_of_noughts(module):
    """Return a module with all its parameters zero."""
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    return module


def ran(folder, *arguments):
    """Run srlab in a folder to its end, in this process; return its status and what it printed.

    Its locks end with it, as those of a process do, so that another command may go on in its
    folders.
    """
    out, err, locked = io.StringIO(), io.StringIO(), []
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        compose_once(patch, arguments)
        patch.setattr(sys, "argv", ["srlab", *arguments])
        patch.delenv("HYDRA_FULL_ERROR", raising=False)
        if "SRLAB_CACHE" not in os.environ:  # outside of a test: in what several of them share
            patch.setenv("SRLAB_CACHE", str(folder / "cache"))
        with contextlib.suppress(ImportError):  # Windows has no such locks
            import fcntl

            flock = fcntl.flock
            patch.setattr(fcntl, "flock", lambda *given: (flock(*given), locked.append(given[0])))
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os.environ.pop("HYDRA_FULL_ERROR", None)  # which it sets for itself
            for handle in locked:
                with contextlib.suppress(OSError):  # it was closed
                    flock(handle, fcntl.LOCK_UN)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def forked(folder, *arguments, first=""):
    """Start srlab in a folder as a process that another one forks, which has imported all before.

    So it costs a fraction of what ``start`` does; what is returned is used in the same way.

    ``first``: what is done there before, as a text of Python.
    """
    return Fork(folder, arguments, first)


def fork_server():
    """Return what forks processes from one that has done what ``warm.py`` does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()
    return context


class Fork:
    """A process of srlab that was forked."""

    def __init__(self, folder, arguments, first):
        context = fork_server()
        self._texts = Path(tempfile.mkdtemp())
        self._line, theirs = context.Pipe(duplex=False)  # open as long as it or a child of it lives
        environment = dict(os.environ) | {"SRLAB_CACHE": str(folder / "cache")}
        given = folder, ["srlab", *arguments], first, environment, self._texts, theirs
        self._process = context.Process(target=_run_in_fork, args=given)
        atexit.register(self.kill)  # or the end would wait for one that a failed test has left
        self._process.start()
        theirs.close()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def said(self):
        """Return what it has said so far on standard output and as errors."""
        texts = (self._texts / name for name in ("out", "err"))
        return tuple(text.read_text() if text.exists() else "" for text in texts)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self._process.kill()

    def communicate(self, timeout=120):
        """Wait for its end, and for that of the processes that it forked; return what it said."""
        assert self._line.poll(timeout), f"it does not end within {timeout} s: {self.said()}"
        self._process.join()
        atexit.unregister(self.kill)
        said = self.said()
        shutil.rmtree(self._texts)
        return said


def _run_in_fork(folder, command, first, environment, texts, _line):
    _begin(folder, environment, texts / "out", texts / "err")
    exec(first, {})
    sys.argv = command
    compose_once(pytest.MonkeyPatch(), command)
    main()


def _begin(folder, environment, *texts):
    """Give a forked process its folder, its environment and the files of what it says."""
    for number, text in enumerate(texts, start=1):
        os.dup2(os.open(text, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    multiprocessing.set_start_method(None, force=True)  # back to the one of this system
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it


# For ``forked``: a process that trains by several workers forks them.
FORKS_WORKERS = """
import subprocess
from types import SimpleNamespace
from common import ForkedWorker
from srlab.commands.train import workers
workers.subprocess = SimpleNamespace(Popen=ForkedWorker, PIPE=subprocess.PIPE)
"""


class ForkedWorker:
    """A worker of a training that was forked, where ``subprocess.Popen`` would start one."""

    def __init__(self, command, env, **_):
        reading, writing = os.pipe()
        self.pid, self._status = os.fork(), None
        if self.pid == 0:
            _work(command, env, reading, writing)
        os.close(reading)
        self.stdin = os.fdopen(writing, "wb")

    def wait(self):
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def terminate(self):
        self._send(signal.SIGTERM)

    def kill(self):
        self._send(signal.SIGKILL)

    def _send(self, number):
        if self._status is None:
            os.kill(self.pid, number)


def _work(command, environment, reading, writing):
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(reading, 0)
        os.close(writing)
        sys.stdin = os.fdopen(0)
        os.environ.clear()
        os.environ.update(environment)
        importlib.import_module("srlab.commands.train.workers").work(int(command[-1]))
    finally:
        os._exit(1)


class ForkedPython:
    """A process of Python that was forked, where ``subprocess.Popen`` would start one."""

    def __init__(self, command, cwd, env, stdout, **_):
        given = command[1:], cwd, env, stdout.name
        self._process = fork_server().Process(target=_run_python, args=given)
        self._process.start()
        self.pid = self._process.pid

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("python", timeout)
        return self._process.exitcode


def _run_python(arguments, folder, environment, text):
    os.setsid()
    _begin(folder, environment, text, text)
    named, *rest = arguments[1:] if arguments[0] == "-m" else arguments
    at = folder if arguments[0] == "-m" else Path(named).parent
    sys.path[:0] = [str(at), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv = [str(named), *rest]
    if arguments[0] == "-m":
        runpy.run_module(named, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(str(named), run_name="__main__")


# What a user or a package brings: an upsampler that knows nothing of srlab.
UPSAMPLER_OF_A_USER = """
import torch.nn.functional as F
from torch import nn


class Theirs(nn.Module):
    def __init__(self, in_channels, out_channels, scale, kernel_size: int = 3, padding: int = 0):
        super().__init__()
        self.scale, self.halo = scale, kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding)

    def forward(self, framed):
        return F.interpolate(self.conv(framed), scale_factor=self.scale)
"""


def normal_noise(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def filters_of(count, size):
    return random_filters(count, size).double()
