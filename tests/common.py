"""What several tests say: small pictures, and the command line in this process or in another."""

import os
import subprocess
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import conv2d

from srlab.cli import main


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
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, "the process ended before it was to be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def command_line(monkeypatch, capsys):
    """Return what runs the command line in this process: its status, and what it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["srlab", *arguments])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return status, capsys.readouterr()

    return run


def convolve(x, layer):
    """Convolve as a layer does whose picture is padded with zeros, whatever its own padding is."""
    return conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)


def made_of_noughts(module):
    """Return a module with all its parameters zero."""
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    return module
