"""The verbs of the command line, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Verb:
    """A verb.

    Args:
        says: Its line in the help.
        runs: Module and function that run it: with an ``Invocation``, or with the arguments as they
            are if it has no config. The module, which may load torch, is imported when it runs.
        config: Its primary config.
        interrupted: What Ctrl-C leaves.
    """

    says: str
    runs: str
    config: str = ""
    interrupted: str = "; nothing half is left"

    def function(self) -> Callable[[Any], Any]:
        """Import the function that runs it."""
        module, _, name = self.runs.partition(":")
        return getattr(import_module(f"srlab.commands.{module}"), name)


VERBS = {
    "train": Verb(
        "train a network; ends with a table and a picture", "train.command:run", "train",
        " before there was anything to save",
    ),
    "sweep": Verb(
        "train all combinations of what is to be compared, all else equal", "sweep.command:run"
    ),
    "tune": Verb(
        "search the learning rate of each choice on the validation set", "tune.command:run"
    ),
    "report": Verb(
        "compare the runs of a sweep: ranking, cost, pictures, in one page",
        "report.command:run", "report",
    ),
    "evaluate": Verb(
        "PSNR and SSIM of checkpoints and baselines, one or several", "evaluate.command:run",
        "evaluate",
    ),
    "upscale": Verb(
        "enlarge pictures and videos, single ones or folders", "upscale.command:run", "upscale"
    ),
    "describe": Verb(
        "what a network consists of and costs, what its upsampler can do; with a picture",
        "describe:run", "describe",
    ),
    "convert": Verb(
        "give a checkpoint another upsampler that computes the same, or bring a model in",
        "convert.command:run", "convert",
    ),
    "export": Verb(
        "write a trained network as safetensors, ONNX, torch.export, or for spandrel",
        "export:run", "export",
    ),
    "data": Verb(
        "list, fetch and check the public image sets; show what a training is fed",
        "data.command:run",
        interrupted="; the same command goes on with what has arrived",
    ),
    "bench": Verb("how fast training, upscaling or evaluating is here, beside the bare limit", ""),
}  # fmt: skip

# The second words of ``bench`` and ``data``.
BENCHES = {
    name: Verb("", f"bench.{name}:run", f"bench_{name}")
    for name in ("train", "upscale", "evaluate")
}
DATA = ("list", "fetch", "check", "show")
DATA_SHOW = Verb("", "data.show:run", "data_show")
