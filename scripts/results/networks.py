"""Networks as the scripts beside this one name and load them, and pictures beside each other."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.assembly.network import Network, load_network
from srlab.config.schema import NetworkConfig
from srlab.imaging.resample import enlarge

_ZOOM, _MARGIN = 2, 4  # of what is shown; in pixels of the picture


def asked(says: str) -> argparse.Namespace:
    """Read ``models``, and ``crops``, the PNG that is drawn instead of a table, or None.

    ``says``: the docstring of the script.
    """
    parser = argparse.ArgumentParser(description=says.partition("\n")[0])
    parser.add_argument("models", nargs="+", help="names, run folders or checkpoints")
    parser.add_argument("--crops", type=Path, help="the PNG that is drawn instead")
    return parser.parse_args()


def network_of(name: str | Path) -> Network:
    """Return the network of a model that comes along, a run folder or a checkpoint."""
    return load_network(NetworkConfig(checkpoint=str(name)), torch.device("cpu"))


def in_a_row(parts: Sequence[Tensor], around: float) -> Tensor:
    """Show pictures ``(1, 3, H, W)`` larger, from left to right, in a frame of a grey level."""
    large = [enlarge(part, _ZOOM, "nearest") for part in parts]
    return torch.cat([F.pad(part, [_MARGIN] * 4, value=around) for part in large], dim=3)
