"""A model that leaves: weights and what explains them in one safetensors file.

The tensors are those of the network's ``state_dict``. The metadata, texts by name, are

- ``srlab``: the number of this layout; ``format``: ``pt``, which other programs look for;
- ``title``, ``scale``, ``colour`` (what the network sees: ``y`` or ``rgb``) and ``normalisation``;
- ``config``: JSON, from which the network is rebuilt, with the recipe of its training;
- ``scores``: JSON, each with its protocol;
- ``sha256``: of the weights; files of older versions have none.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from srlab.errors import CheckpointError

LAYOUT = "1"
NORMALISATION = {
    "y": "luma of BT.601 YCbCr in studio swing, 16 to 235 of 255, divided by 255",
    "rgb": "RGB divided by 255",
}


def as_model(
    config: dict[str, Any], weights: dict[str, Tensor], scores: list[dict[str, Any]]
) -> bytes:
    """Return a model as the content of a file.

    Args:
        config: Plain data: ``name``, ``scale``, ``colour``, ``model`` and the recipe.
        weights: Of the network.
        scores: As ``evaluation.tables`` has them, without the single images.
    """
    plain = _plain(weights)
    return as_bytes(
        plain, describe(config, scores) | {"format": "pt", "sha256": _fingerprint(plain)}
    )


def describe(config: dict[str, Any], scores: list[dict[str, Any]]) -> dict[str, str]:
    """Return the metadata of a model, texts by name; other formats carry the same."""
    return {
        "srlab": LAYOUT,
        "title": str(config["name"]),
        "scale": str(config["scale"]),
        "colour": str(config["colour"]),
        "normalisation": NORMALISATION[config["colour"]],
        "config": json.dumps(config),
        "scores": json.dumps(scores),
    }


def read_model(path: Path) -> dict[str, Any]:
    """Read a model as what a checkpoint holds: ``config``, ``weights`` and ``scores``.

    Raises:
        UserError: The file is cut off, or is not a model of srlab.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a safetensors file, or it is cut off: {error}"
        ) from None
    written = metadata.get("sha256")  # files of older versions have none
    if written is not None and written != _fingerprint(weights):
        raise CheckpointError(f"{path} is damaged: its weights are not as they were written")
    if metadata.get("srlab") != LAYOUT:
        raise CheckpointError(
            f"{path} is not a model that srlab exported as safetensors; srlab convert from=FILE "
            f"reads some of others"
        )
    try:
        config, scores = (json.loads(metadata[key]) for key in ("config", "scores"))
    except (KeyError, ValueError, RecursionError):
        raise CheckpointError(f"{path} is damaged: config and scores cannot be read") from None
    return {"config": config, "weights": weights, "scores": scores}


def _fingerprint(weights: dict[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _plain(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights as safetensors wants them: contiguous and on the CPU."""
    return {
        name: tensor.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
    }
