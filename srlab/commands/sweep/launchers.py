"""The launchers of a sweep, and what they want installed."""

import importlib.util
import shutil

import torch

from srlab.config.schema import SweepConfig
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


def runs_at_once(config: SweepConfig, runs: int) -> int:
    """Return how many runs of a sweep are quickest at a time, if no launcher is chosen.

    On the CPU as many as torch has threads, where joblib can launch them: a thread that has a run
    to itself waits for no other. It is the same however many of the runs are there already, so a
    sweep that was stopped goes on to the same bits.

    Args:
        config: The config of one of the runs.
        runs: Runs of the sweep.
    """
    trainer = config.trainer
    shared = trainer.threads or trainer.workers or trainer.devices > 1
    on_cpu = config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available())
    if shared or not on_cpu or not _is_installed("joblib"):
        return 1
    return min(runs, torch.get_num_threads())


def _is_installed(extra: str) -> bool:
    """Tell whether Hydra has the plug-in that an extra of srlab brings."""
    try:
        return (
            importlib.util.find_spec(f"hydra_plugins.hydra_{_MODULES[extra]}_launcher") is not None
        )
    except ImportError:
        return False
