"""Networks from checkpoints: found, trusted, rebuilt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from srlab.assembly.bounded_memory import BoundedMemory
from srlab.config.build import build, without_warning
from srlab.config.check import TRUSTED, check
from srlab.config.ranges import check_scale
from srlab.errors import CheckpointError, ConfigError, UserError
from srlab.imaging.colour import CHANNELS
from srlab.models.base import Model
from srlab.storage.checkpoint import load as read_checkpoint
from srlab.weights import shipped
from srlab.words import Colour

# No network that learnt anything makes a value as large.
_ABSURD = 100.0


def trusted_roots(trust: Sequence[str]) -> tuple[str, ...]:
    """Return what a config from a file may name: our networks, torch.nn, and ``trust``."""
    return (*TRUSTED, *trust)


def check_network(module: Any, scale: int, colour: Colour) -> None:
    """Check that a built model is a network for a scale and a colour.

    Raises:
        ConfigError: It says otherwise of itself, or says nothing.
    """
    missing = [key for key in ("scale", "channels", "halo", "frame") if not hasattr(module, key)]
    if missing:
        raise ConfigError(f"model: {type(module).__name__} has no {', '.join(missing)}")
    if module.scale != scale:
        raise ConfigError(f"model.scale is {module.scale}, but scale={scale}")
    if module.channels != CHANNELS[colour]:
        raise ConfigError(f"model.channels is {module.channels}, but colour={colour}")
    wanted = (1, module.channels, 9 * scale, 10 * scale)
    try:
        with torch.inference_mode():
            got = tuple(module(torch.zeros(1, module.channels, 9, 10)).shape)
    except RuntimeError as error:
        raise ConfigError(f"the network fails: {str(error).splitlines()[0]}") from None
    if got != wanted:
        raise ConfigError(
            f"the network makes {got[-2]}x{got[-1]} of 9x10 pixels, not {wanted[-2]}x{wanted[-1]}: "
            f"does its upsampler use up its frame of halo pixels?"
        )


def checkpoint_file(path: str | Path) -> Path:
    """Return the checkpoint that a path names: a file, or a run folder's ``last.pt``.

    Where there is neither, the name of a model that comes with srlab stands for its file.

    Raises:
        UserError: The path is empty.
    """
    if not str(path):
        raise UserError("no checkpoint is given: name a file, or the folder of a run")
    given, path = str(path), Path(path).expanduser()
    if not path.exists() and given in shipped():
        return shipped()[given]
    return path / "last.pt" if path.is_dir() else path


def path_beside(checkpoint: Path, name: str) -> Path:
    """Return the path of a file or folder beside a checkpoint, or here for one of srlab's own."""
    return Path(name) if checkpoint in shipped().values() else checkpoint.with_name(name)


def load(path: str | Path, trust: Sequence[str] = ()) -> Model:
    """Return the network of a checkpoint, of an exported model, or of one that comes with srlab.

    Args:
        path: A file, a run folder, or a name, as ``compact_x3``.
        trust: See ``load_checkpoint``.

    Returns:
        The network on the CPU, in evaluation mode: ``(N, C, H, W)`` in ``[0, 1]`` to ``(N, C, s H,
        s W)``, which may go beyond and is not clamped; C is 1 for luma (``srlab.luma``), 3 for RGB.

    Raises:
        UserError: See ``load_checkpoint``.

    Example:
        >>> y = srlab.load("espcn_x3")(torch.rand(1, 1, 24, 32))
        >>> tuple(y.shape)
        (1, 1, 72, 96)
    """
    return load_checkpoint(path, trust)[0]


def load_checkpoint(path: str | Path, trust: Sequence[str] = ()) -> tuple[Model, dict[str, Any]]:
    """Rebuild the network of a checkpoint, on the CPU, and return it with the config of its run.

    Args:
        path: A checkpoint, a run folder, which stands for its ``last.pt``, or the name of a model
            that comes with srlab.
        trust: Packages, besides srlab's and torch's own layers, that the file may name.

    Raises:
        UserError: The file is no checkpoint, is damaged, or names what is not trusted.

    Example:
        >>> model, config = srlab.load_checkpoint("espcn_x3")
        >>> config["scale"], type(model).__name__
        (3, 'ESPCN')
    """
    path = checkpoint_file(path)
    checkpoint = read_checkpoint(path)
    config = checkpoint["config"]
    try:
        check({"model": config["model"]}, trusted_roots(trust))
        with without_warning(), BoundedMemory(checkpoint["weights"].values()):
            module = build(config["model"], "model")
        check_network(module, check_scale(config["scale"]), Colour(config["colour"]))
        module.load_state_dict(checkpoint["weights"])
    except ConfigError as error:
        raise CheckpointError(f"{path} cannot be built: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path} is damaged, weights and config differ: {reason}") from None
    _check_finite(path, module.eval())
    return module, config


def _check_finite(path: Path, module: Model) -> None:
    """Check that a network has numbers for weights, and makes a picture of a smooth one.

    Of what is no weight, as a mask of a plug-in's may be, the infinite is let pass; a network that
    takes no picture so small is not tried.

    Raises:
        CheckpointError: It does not: what it wrote would be black and white alone.
    """
    for name, tensor in module.named_parameters():
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{path} holds weights that are not finite, in {name}: its training diverged"
            )
    ramp = torch.linspace(0.2, 0.8, 64).view(1, 1, 8, 8).expand(-1, module.channels, -1, -1)
    try:
        with torch.no_grad():
            largest = float(module(ramp).abs().max())
    except (RuntimeError, ValueError):
        return
    if not largest < _ABSURD:  # nor is it if it is not a number
        raise CheckpointError(
            f"{path} makes values of {largest:.3g} of a picture in [0, 1]: its training diverged"
        )
