"""The launchers of a sweep, and what they want installed."""

import importlib.util
import shutil

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
    try:
        found = importlib.util.find_spec(f"hydra_plugins.hydra_{_MODULES[extra]}_launcher")
    except ImportError:
        found = None
    if found is None:
        raise UserError(f"hydra/launcher={launcher} needs: pip install 'srlab[{extra}]'")
    if launcher in ("slurm", "submitit_slurm") and shutil.which("srun") is None:
        raise UserError(
            f"hydra/launcher={launcher} needs Slurm, and there is no srun here; "
            f"hydra/launcher=submitit_local makes the same jobs on this machine"
        )
