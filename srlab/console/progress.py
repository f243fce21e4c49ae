"""The one line that says how far work is; nothing where there is no terminal."""

import sys
import time
from collections.abc import Callable

# Seconds between two lines: on a terminal, elsewhere, and there until the first.
_REDRAWN, _LINES, _FIRST_LINE = 2.0, 60.0, 10.0


def clock(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def show_progress(line: str) -> None:
    """Show a line on standard error in place of the one before; an empty one clears it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


class Progress:
    """How a training stands: step, rate, loss, score and time left.

    On a terminal it is a line of standard error that is drawn anew every few seconds; elsewhere, as
    in the log of a job, lines that stay, which are rare.

    Args:
        steps: Steps in all.
        first: Steps that were done before this process.
    """

    def __init__(self, steps: int, first: int):
        self.steps, self.first = steps, first
        self.start = time.monotonic()
        self.score = ""
        self._terminal = sys.stderr.isatty()
        self._due = self.start + (0 if self._terminal else _FIRST_LINE)

    def rate(self, step: int) -> float:
        """Return the mean number of steps a second of this process."""
        return (step - self.first) / max(time.monotonic() - self.start, 1e-9)

    def update(self, step: int, loss: Callable[[], float]) -> None:
        """Tell how it stands, if the last time was long enough ago.

        Args:
            step: Steps that are done.
            loss: Reads the loss, which may have to wait for the device.
        """
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (_REDRAWN if self._terminal else _LINES)
        rate = self.rate(step)
        left = (self.steps - step) / rate if rate else 0
        line = (
            f"step {step:,}/{self.steps:,}  {rate:.3g} steps/s  loss {loss():.3e}"
            f"{self.score}  {clock(left)} left"
        )
        if self._terminal:
            show_progress(line)
        else:
            print(line, flush=True)

    def note(self, text: str) -> None:
        """Print a line that stays; on standard output, also where there is no terminal."""
        self.close()
        print(text, flush=True)

    def close(self) -> None:
        """Clear the line."""
        show_progress("")
