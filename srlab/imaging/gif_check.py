"""Whether a GIF is whole: Pillow takes the end of the file for the end of a film."""

SIGNATURES = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_HEAD = 13  # signature and screen


def check_gif(data: bytes) -> None:
    """Check that the blocks of a GIF (GIF89a specification) lead to its trailer.

    Args:
        data: The file.

    Raises:
        ValueError: It is cut off.
    """
    place = _HEAD + _colours(data, _HEAD - 3)
    while place < len(data):
        kind = data[place]
        if kind == _END:
            return
        if kind == _EXTENSION:
            place = _after_blocks(data, place + 2)
        elif kind == _IMAGE:
            place = _after_blocks(data, place + 10 + _colours(data, place + 9) + 1)
        else:  # a stray byte, which readers pass over
            place += 1
    raise ValueError("its end is missing: frames may be cut off")


def _colours(data: bytes, flags: int) -> int:
    """Return the bytes of a table of colours, of which a byte of flags says whether it is there."""
    if flags >= len(data) or not data[flags] & 0x80:
        return 0
    return 3 << (data[flags] & 7) + 1


def _after_blocks(data: bytes, place: int) -> int:
    """Return the place after a chain of blocks, each with its length before it; 0 ends it."""
    while place < len(data) and data[place]:
        place += data[place] + 1
    return place + 1
