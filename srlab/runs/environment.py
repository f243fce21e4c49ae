"""What a run was made with, beside its config."""

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from srlab.machine.facts import gpu_facts


def environment_of(device: torch.device) -> dict[str, Any]:
    """Return what this process is: command, revision, machine, versions of packages."""
    from importlib.metadata import version

    return {
        "command": sys.argv,
        "git": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        **gpu_facts(device),
        "packages": {name: version(name) for name in ("torch", "hydra-core", "numpy", "pillow")},
    }


def _git_revision() -> str | None:
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():  # installed: a repository around it is not ours
        return None
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=checkout, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
