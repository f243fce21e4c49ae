"""What a run writes about itself while it trains: TensorBoard events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from srlab.errors import UserError


def record_hyperparameters(folder: Path, values: dict[str, Any], metrics: Sequence[str]) -> None:
    """Let TensorBoard's HParams tab show a run beside others.

    Args:
        folder: The run folder; a file of its own is written to ``tensorboard`` within it, once.
        values: What was chosen for the run: a number, a text or a truth value by its name.
        metrics: The scalars that tell how good it is, as in ``psnr/set5``.
    """
    place = folder / "tensorboard"
    if any(place.glob("*.hparams")):
        return
    try:
        with SummaryWriter(str(place), filename_suffix=".hparams") as writer:
            for summary in hparams(values, dict.fromkeys(metrics, 0)):
                writer._get_file_writer().add_summary(summary)
    except OSError as error:
        raise UserError(f"cannot write {place}: {error.strerror}") from None


class Record:
    """TensorBoard scalars and pictures of a run.

    Args:
        folder: The run folder; events go to ``tensorboard`` within it.
        step: The step at which the run starts or resumes; later events of a killed run are hidden.
    """

    def __init__(self, folder: Path, step: int):
        try:
            self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        except OSError as error:
            raise UserError(f"cannot write {folder}/tensorboard: {error.strerror}") from None

    def losses(self, step: int, terms: dict[str, float], lr: float, rate: float) -> None:
        """Record the mean of each loss term, their sum, the learning rate and steps a second."""
        self.writer.add_scalar("loss/total", sum(terms.values()), step)
        for name, value in terms.items():
            self.writer.add_scalar(f"loss/{name}", value, step)
        self.writer.add_scalar("train/learning_rate", lr, step)
        self.writer.add_scalar("train/steps_per_second", rate, step)

    def score(self, step: int, testset: str, psnr: float, ssim: float, ripple: float) -> None:
        """Record the mean PSNR, SSIM and ripple of a test set."""
        self.writer.add_scalar(f"psnr/{testset}", psnr, step)
        self.writer.add_scalar(f"ssim/{testset}", ssim, step)
        self.writer.add_scalar(f"checkerboard/{testset}", ripple, step)

    def flat_ripple(self, step: int, ripple: float) -> None:
        """Record the ripple of what the network makes of flat pictures."""
        self.writer.add_scalar("checkerboard/flat", ripple, step)

    def gauge(self, step: int, name: str, value: float) -> None:
        """Record a number of the model's own."""
        self.writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: Tensor) -> None:
        """Record an image ``(1, C, H, W)`` in ``[0, 1]``."""
        self.writer.add_image(name, (image[0] * 255).round().clamp(0, 255).to(torch.uint8), step)

    def close(self) -> None:
        """Write what is pending."""
        self.writer.close()
