"""Which files are videos, and the module that opens them."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from srlab.errors import UserError

SUFFIXES = frozenset(
    {".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv"}
    | {".ts", ".webm", ".wmv"}
)


def is_video(path: Path) -> bool:
    """Say whether a file's suffix is that of a video."""
    return path.suffix.lower() in SUFFIXES


def is_found_video(path: Path) -> bool:
    """Say whether a file that nobody named is a video: most ``.ts`` are TypeScript, no MPEG."""
    if path.suffix.lower() != ".ts":
        return is_video(path)
    with suppress(OSError), path.open("rb") as file:
        return file.read(1) == b"G"
    return False


def pyav() -> Any:
    """Return the module ``av``.

    Raises:
        UserError: It is not installed.
    """
    try:
        import av
        import av.video.reformatter
    except ImportError:
        raise UserError("video needs PyAV: pip install 'srlab[video]'") from None
    return av
