"""What a command prints, kept in a file as well."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO


class Transcript:
    """A stream that hands on what it is given, and keeps it; in memory, until it has a file.

    Args:
        stream: Where it is handed on to.
    """

    def __init__(self, stream: Any):
        self._stream = stream
        self._early: list[str] = []
        self._file: TextIO | None = None
        self._given_up = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text to both."""
        self.keep(text)
        return self._stream.write(text)

    def keep(self, text: str) -> None:
        """Write a text to the file alone."""
        if self._given_up:
            return
        if self._file is None:
            self._early.append(text)
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def keep_in(self, path: Path) -> None:
        """Append to a file from now on, what was written before included."""
        try:
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            self._give_up(error)
        self.keep("".join(self._early))
        self._early.clear()

    def _give_up(self, error: OSError) -> None:
        """Say once that no more is kept: no work ends by that."""
        self._given_up = True
        print(f"srlab: what is printed is not kept: {error.strerror}", file=sys.stderr)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):  # what was left of it met a full disk
                self._file.close()


@contextmanager
def transcribed() -> Iterator[Transcript]:
    """Keep what the body prints on standard output, and the error that ends it."""
    stream = sys.stdout
    transcript = Transcript(stream)
    if stream is not None:  # closed from the start: print is silent then
        sys.stdout = transcript
    try:
        yield transcript
    except Exception as error:
        transcript.keep(f"{error}\n")
        raise
    finally:
        sys.stdout = stream
        transcript.close()
