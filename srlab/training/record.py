"""What a run writes about itself while it trains: TensorBoard events."""

import sys
import threading
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
        self.folder = folder / "tensorboard"
        self._usual = threading.excepthook
        threading.excepthook = self._hear
        try:
            self.writer: Any = SummaryWriter(str(self.folder), purge_step=step + 1)
        except OSError as error:
            raise UserError(f"cannot write {self.folder}: {error.strerror}") from None

    def losses(self, step: int, terms: dict[str, float], lr: float, rate: float) -> None:
        """Record the mean of each loss term, their sum, the learning rate and steps a second."""
        self._add("scalar", "loss/total", sum(terms.values()), step)
        for name, value in terms.items():
            self._add("scalar", f"loss/{name}", value, step)
        self._add("scalar", "train/learning_rate", lr, step)
        self._add("scalar", "train/steps_per_second", rate, step)

    def score(self, step: int, testset: str, psnr: float, ssim: float, ripple: float) -> None:
        """Record the mean PSNR, SSIM and ripple of a test set."""
        self._add("scalar", f"psnr/{testset}", psnr, step)
        self._add("scalar", f"ssim/{testset}", ssim, step)
        self._add("scalar", f"checkerboard/{testset}", ripple, step)

    def flat_ripple(self, step: int, ripple: float) -> None:
        """Record the ripple of what the network makes of flat pictures."""
        self._add("scalar", "checkerboard/flat", ripple, step)

    def gauge(self, step: int, name: str, value: float) -> None:
        """Record a number of the model's own."""
        self._add("scalar", name, value, step)

    def picture(self, step: int, name: str, image: Tensor) -> None:
        """Record an image ``(1, C, H, W)`` in ``[0, 1]``."""
        self._add("image", name, (image[0] * 255).round().clamp(0, 255).to(torch.uint8), step)

    def _add(self, kind: str, name: str, value: Any, step: int) -> None:
        """Record something, or say once that it cannot be: a training does not end by that."""
        if self.writer is None:
            return
        try:
            getattr(self.writer, f"add_{kind}")(name, value, step)
        except OSError as error:
            self._give_up(error)

    def _hear(self, said: threading.ExceptHookArgs) -> None:
        """Pass on what ends a thread, but for what TensorBoard's own raises here again."""
        own = type(said.thread).__module__.startswith("tensorboard.")
        if not (own and isinstance(said.exc_value, OSError)):
            self._usual(said)

    def _give_up(self, error: OSError) -> None:
        self.writer = None
        print(
            f"srlab: cannot write {self.folder}: {error.strerror}; the training goes on without",
            file=sys.stderr,
        )

    def close(self) -> None:
        """Write what is pending."""
        try:
            if self.writer is not None:
                self.writer.close()
        except OSError as error:
            self._give_up(error)
        finally:
            threading.excepthook = self._usual
