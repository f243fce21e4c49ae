"""A small training, and the command line in a process that has imported everything."""

import io
import multiprocessing
import os
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import in_fork
from PIL import Image

from srlab.cli import main

STEPS = 12
SMALL = (
    "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
    "device=cpu", "model.features=[8,6]", "trainer.batch_size=2", "trainer.patch_size=8",
    f"trainer.steps={STEPS}", "trainer.save_every=4", "trainer.eval_every=6", "trainer.log_every=3",
)  # fmt: skip
_LATE = (  # what commands import when they run
    "torch._dynamo", "torch.onnx", "torch.utils.tensorboard", "hydra.main",
    "hydra._internal.hydra", "srlab.commands.train.command", "srlab.commands.sweep.command",
    "srlab.commands.evaluate", "srlab.commands.upscale.command", "srlab.commands.report.command",
    "srlab.commands.describe", "srlab.commands.convert.command", "srlab.commands.export",
    "srlab.commands.data.command", "srlab.commands.bench.train", "srlab.commands.bench.upscale",
    "srlab.commands.bench.evaluate", "srlab.commands.sweep.one_run", "srlab.reporting.document",
)  # fmt: skip


def make_pictures(folder: Path) -> None:
    """Make a few small smooth pictures in ``train`` and ``test``."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 3), ("test", 1)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8))
            smooth = pixels.resize((48, 50), Image.Resampling.BICUBIC)
            smooth.save(folder / name / f"{number}.png")


def warm_up(folder: Path, *settings: str) -> None:
    """Train ``run`` in a folder, in this process: what that imports and sets up no fork has to."""
    for name in _LATE:
        with suppress(ImportError):  # an extra that is not installed
            import_module(name)
    before = Path.cwd()
    with redirect_stdout(io.StringIO()):
        srlab(folder, "train", *settings, "run_dir=run")
    os.environ.pop("HYDRA_FULL_ERROR", None)  # which the command line sets for itself
    os.chdir(before)


def srlab(folder: Path, *arguments: str) -> None:
    """Run the command line in a folder, in this process, which it ends."""
    os.chdir(folder)
    os.environ["SRLAB_CACHE"] = str(folder / "cache")
    multiprocessing.set_start_method(None, force=True)
    sys.argv = ["srlab", *arguments]
    main()


def done(folder: Path, *arguments: str) -> str:
    """Run a command that must succeed, in a fork; return what it said."""
    outcome = in_fork(lambda: srlab(folder, *arguments))
    if outcome.status:
        raise RuntimeError(f"srlab {' '.join(arguments)}: {outcome.status} {outcome.said}")
    return outcome.said


def final_bits(run: Path) -> Any:
    """Return all that a run has computed: its last checkpoint, but for how long it took."""
    checkpoint = torch.load(run / "last.pt", weights_only=True)
    return {key: checkpoint[key] for key in ("weights", "training", "step")}


def same(a: Any, b: Any) -> bool:
    """Tell whether two nested structures hold the same bits."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
