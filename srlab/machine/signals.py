"""Leaving cleanly on SIGINT, SIGTERM and SIGHUP."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

_ASKS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


def asking() -> list[signal.Signals]:
    """Return the signals that ask to end; SIGHUP that is ignored, as under ``nohup``, does not."""
    there = [getattr(signal, name) for name in _ASKS if hasattr(signal, name)]
    return [n for n in there if n.name != "SIGHUP" or signal.getsignal(n) != signal.SIG_IGN]


class Stopper:
    """While entered, turns the first signal that asks to end into a flag; the second acts at once.

    SIGHUP that is ignored, as under ``nohup``, stays ignored.
    """

    def __init__(self):
        self.signal: int | None = None
        self._previous = {}
        self._shielded = False

    def __enter__(self) -> "Stopper":
        """Start to catch the signals."""
        for number in asking():
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the previous handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Let no signal interrupt the body: it saves what another one would lose."""
        before, self._shielded = self._shielded, True
        try:
            yield
        finally:
            self._shielded = before

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
        elif not self._shielded:
            signal.signal(number, self._previous[number])
            signal.raise_signal(number)
