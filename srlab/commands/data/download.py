"""Download files whose size and SHA-256 are known: resumed, verified, whole or not there."""

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from srlab.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has no advisory locks
    fcntl = None  # type: ignore[assignment]

TIMEOUT = 20.0  # seconds without a byte, after which a connection counts as stalled
ATTEMPTS = 4  # in a row that bring nothing
PAUSE = 0.5  # seconds before the second attempt; twice as long before each further one
_CHUNK = 1 << 16  # bytes
_PASSING = {408, 416, 425, 429, 500, 502, 503, 504}  # answers that another attempt may change


class Stopped(Exception):
    """The download was told to stop; what has arrived is kept."""


def download(
    url: str, path: Path, size: int, sha256: str, received: Callable[[int], None], stop: Event
) -> None:
    """Download a file to ``path``, going on where an earlier attempt ended.

    What arrives is kept beside it, as ``.NAME.part``, and becomes ``path`` when it is complete and
    its SHA-256 is right. Where that is wrong, it is thrown away and asked for once more.

    Args:
        url: Of the file.
        path: Where it goes; nothing may lie there.
        size: In bytes; no more are read.
        sha256: In hexadecimal.
        received: Is told how many bytes more are there; less than 0 for those thrown away.
        stop: Ends the download when another thread sets it.

    Raises:
        UserError: It cannot be had, is not what was published, or cannot be written.
        Stopped: ``stop`` was set.
    """
    with _opened(path.with_name(f".{path.name}.part")) as file:
        if file.seek(0, os.SEEK_END) > size:
            _start_over(file)
        received(file.tell())
        for _ in range(2):
            _complete(url, file, size, received, stop)
            if sha256_of(file) == sha256:
                break
            received(-size)
            _start_over(file)
        else:
            raise UserError(f"{url} is not what was published: its SHA-256 is another")
        os.fsync(file.fileno())
        Path(file.name).rename(path)


def sha256_of(file: BinaryIO) -> str:
    """Return the SHA-256 of a file's whole content, in hexadecimal."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def _complete(
    url: str, file: BinaryIO, size: int, received: Callable[[int], None], stop: Event
) -> None:
    """Receive until the file has its size, by as many connections as it takes."""
    fails = 0
    while (held := file.tell()) < size:
        reason = "the connection ended early"
        try:
            _receive(url, file, size, received, stop)
        except HTTPError as error:
            error.close()
            reason = f"the answer is {error.code} {error.reason}"
            if error.code not in _PASSING:
                raise UserError(f"cannot fetch {url}: {reason}") from None
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                received(-held)
                _start_over(file)
        except URLError as error:
            why = getattr(error.reason, "strerror", None) or error.reason
            reason = f"{urlsplit(url).hostname} cannot be reached ({why})"
        except TimeoutError:
            reason = f"nothing arrived for {TIMEOUT:g} seconds"
        except (OSError, http.client.HTTPException) as error:  # of the connection: see _append
            reason = str(error) or type(error).__name__
        if file.tell() == size:
            return
        fails = 1 if file.tell() > held else fails + 1
        if fails == ATTEMPTS:
            raise UserError(
                f"cannot fetch {url}: {reason}; the same command goes on with what has arrived"
            )
        if stop.wait(PAUSE * 2 ** (fails - 1)):
            raise Stopped


def _receive(
    url: str, file: BinaryIO, size: int, received: Callable[[int], None], stop: Event
) -> None:
    """Append to the file what one connection brings."""
    held = file.tell()
    ask = {"User-Agent": "srlab"} | ({"Range": f"bytes={held}-"} if held else {})
    with urllib.request.urlopen(
        urllib.request.Request(url, headers=ask), timeout=TIMEOUT
    ) as answer:
        begins = answer.headers.get("Content-Range", "").startswith(f"bytes {held}-")
        if held and not (answer.status == http.HTTPStatus.PARTIAL_CONTENT and begins):
            received(-held)  # a server that sends the whole file, whatever it was asked for
            _start_over(file)
        while left := size - file.tell():
            if stop.is_set():
                raise Stopped
            piece = answer.read1(min(_CHUNK, left))
            if not piece:
                return
            _append(file, piece)
            received(len(piece))


def _append(file: BinaryIO, piece: bytes) -> None:
    """Write; a full disk is told apart from a connection that fails."""
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        raise UserError(f"cannot write {file.name}: {error.strerror}") from None


def _start_over(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


@contextmanager
def _opened(part: Path) -> Iterator[BinaryIO]:
    """Open what has arrived of a file, to read and write, for this process alone."""

    def create(name: str, how: int) -> int:
        return os.open(name, how | os.O_CREAT, 0o666)

    try:
        with open(part, "r+b", opener=create) as file:
            _lock(file)
            yield file
    except OSError as error:
        raise UserError(f"cannot write {part}: {error.strerror}") from None


def _lock(file: BinaryIO) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UserError(f"another process is fetching {file.name}") from None
