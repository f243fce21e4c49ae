"""Going on where nobody reads any more what is printed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Lasting:
    """A stream that drops what it is given once its reader has gone, as behind ``| head``."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            self._stream.write(text)
        except BrokenPipeError:
            self._drop()
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def outlasting_readers() -> Iterator[None]:
    """Let no reader that leaves end the body: what it says is dropped from then on."""
    stream = sys.stdout
    if stream is None:  # closed from the start: print is silent then
        yield
        return
    sys.stdout = _Lasting(stream)
    try:
        yield
    finally:
        sys.stdout = stream
