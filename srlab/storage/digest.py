"""Whether a file still holds what was written."""

import hashlib
from contextlib import suppress
from pathlib import Path

from srlab.errors import UserError
from srlab.storage.atomic import write_atomically

_ALWAYS_READ = 1 << 28  # bytes up to which a file is read at every look


def is_as_written(path: Path, sha256: str) -> bool:
    """Tell whether a file has the SHA-256, in hexadecimal, that it was written with.

    Large ones are read for it once after each change of the file only, which a note beside them,
    ``checked``, tells: a few GiB take longer than a training needs to start.
    """
    note, status = path.with_name("checked"), path.stat()
    noted = status.st_size > _ALWAYS_READ
    stamp = f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
    with suppress(OSError):
        if noted and note.read_text() == stamp:
            return True
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            return False
    if noted:
        with suppress(UserError):  # a cache that may only be read
            write_atomically(note, stamp.encode())
    return True
