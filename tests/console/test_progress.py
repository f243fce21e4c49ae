"""Guards: how a training stands is told within a second, then every few; in a log, rarely."""

import sys

from srlab.console import progress
from srlab.console.progress import Progress


def _told(monkeypatch, capsys, terminal: bool) -> list[int]:
    """Return the steps that are told of in a training of 200 seconds, a step each."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    line = Progress(steps=200, first=0)
    read = []
    for step in range(1, 201):
        now[0] += 1
        line.update(step, lambda step=step: read.append(step) or 0.25)
    out, err = capsys.readouterr()
    lines = (err if terminal else out).replace("\r\033[K", "\n").split("\n")
    assert (out if terminal else err) == ""
    assert f"step {read[1]:,}/200  1 steps/s  loss 2.500e-01" in lines[2 if terminal else 1]
    assert len(read) == len([line for line in lines if line])
    return read


def test_on_a_terminal_the_line_is_there_at_once_and_drawn_anew_every_other_second(
    monkeypatch, capsys
):
    assert _told(monkeypatch, capsys, terminal=True) == list(range(1, 201, 2))


def test_in_a_log_a_line_a_minute_is_enough(monkeypatch, capsys):
    assert _told(monkeypatch, capsys, terminal=False) == [10, 70, 130, 190]
