"""What several tests say: small pictures, and the command line in this process or in another."""

import contextlib
import io
import os
import subprocess
import sys
import time

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
