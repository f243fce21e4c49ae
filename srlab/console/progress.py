"""The one line that says how far work is; nothing where there is no terminal."""

import sys
import time


def clock(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def show_progress(line: str) -> None:
    """Show a line on standard error in place of the one before; an empty one clears it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


class Progress:
    """The line of a training. Shows step, rate, loss, score and time left on standard error.

    Args:
        steps: Steps in all.
        first: Steps that were done before this process.
    """

    def __init__(self, steps: int, first: int):
        self.steps, self.first = steps, first
        self.start = time.monotonic()
        self.score = ""

    def rate(self, step: int) -> float:
        """Return the mean number of steps a second of this process."""
        return (step - self.first) / max(time.monotonic() - self.start, 1e-9)

    def update(self, step: int, loss: float) -> None:
        """Redraw the line."""
        rate = self.rate(step)
        left = (self.steps - step) / rate if rate else 0
        line = (
            f"step {step:,}/{self.steps:,}  {rate:.0f} steps/s  loss {loss:.3e}"
            f"{self.score}  {clock(left)} left"
        )
        show_progress(line)

    def note(self, text: str) -> None:
        """Print a line that stays; on standard output, also where there is no terminal."""
        self.close()
        print(text, flush=True)

    def close(self) -> None:
        """Clear the line."""
        show_progress("")
