"""The launchers of a sweep, and what they want installed."""

import importlib.util
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from srlab.config.schema import TrainConfig
from srlab.errors import UserError

# What hydra/launcher=... needs: the extra of srlab that brings it, by the option.
_EXTRAS = {
    "joblib": "joblib", "parallel": "joblib", "submitit_slurm": "slurm", "submitit_local": "slurm",
    "slurm": "slurm", "ray": "ray", "cluster": "ray",
}  # fmt: skip


_MODULES = {"joblib": "joblib", "slurm": "submitit", "ray": "ray"}


def check_launcher(launcher: str) -> None:
    """Check that Hydra has the plug-in of a launcher, and that there is what it launches by.

    Raises:
        UserError: It is to be installed first, or is used elsewhere.
    """
    extra = _EXTRAS.get(launcher)
    if extra is None:
        return
    if not _is_installed(extra):
        raise UserError(f"hydra/launcher={launcher} needs: pip install 'srlab[{extra}]'")
    if launcher in ("slurm", "submitit_slurm") and shutil.which("srun") is None:
        raise UserError(
            f"hydra/launcher={launcher} needs Slurm, and there is no srun here; "
            f"hydra/launcher=submitit_local makes the same jobs on this machine"
        )


def runs_at_once(configs: Iterable[TrainConfig], runs: int) -> int:
    """Return how many runs of a sweep are quickest at a time, if no launcher is chosen.

    On the CPU as many as torch has threads, where joblib can launch them: a thread that has a run
    to itself waits for no other. It is the same however many of the runs are there already, so a
    sweep that was stopped goes on to the same bits.

    Args:
        configs: Those of the runs, or of one for each kind.
        runs: Runs of the sweep.
    """
    at_once = all(map(_shares_well, configs)) and _is_installed("joblib")
    return min(runs, torch.get_num_threads()) if at_once else 1


def _shares_well(config: TrainConfig) -> bool:
    """Tell whether a run is on the CPU, and asks for no threads or processes of its own."""
    trainer = config.trainer
    alone = not (trainer.threads or trainer.workers or trainer.devices > 1)
    on_gpu = config.device == "auto" and torch.cuda.is_available()
    return alone and config.device in ("auto", "cpu") and not on_gpu


@contextmanager
def threads_shared(runs: int) -> Iterator[None]:
    """Give processes that are launched in the body, for so many runs at a time, a share each.

    joblib would give them one of all processors, of which torch uses those that are cores, or what
    the environment allows this process.
    """
    share = str(max(1, torch.get_num_threads() // runs))
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    try:
        os.environ.update(dict.fromkeys(before, share) if runs > 1 else {})
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _is_installed(extra: str) -> bool:
    """Tell whether Hydra has the plug-in that an extra of srlab brings."""
    try:
        return (
            importlib.util.find_spec(f"hydra_plugins.hydra_{_MODULES[extra]}_launcher") is not None
        )
    except ImportError:
        return False
