"""Whether a PNG is whole: Pillow makes black rows of what is missing, and libpng may crash."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Adam7: the first row and column of each pass, and its steps.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
           (1, 0, 2, 1))  # fmt: skip
_MOVING = (b"acTL", b"fcTL", b"fdAT")
_BLOCK = 1 << 20  # bytes that are inflated at a time, of fewer that are packed
_PACKED = 1 << 18
_MOST_INFLATED = 1032  # bytes that zlib makes of one


def check_png(data: bytes) -> None:
    """Check the chunks of a PNG (ISO/IEC 15948) and that its pixels are all there.

    Every chunk has the CRC that it says, and what the pixels are compressed to inflates to as many
    rows as the picture has, each filtered in a way that there is; so do those of every frame, where
    it moves.

    Args:
        data: The file.

    Raises:
        ValueError: It is damaged or cut off; says where.
    """
    header: bytes = b""
    pixels: list[memoryview] = []
    frames: list[tuple[bytes, list[memoryview]]] = []  # size and pixels of each after the first
    promised = begun = 0
    for name, content, whole in chunks(data):
        # Of others Pillow looks at those before the pixels; what comes after them changes none.
        if not whole and (name[:1].isupper() or name in _MOVING):
            raise ValueError(f"its part {name.decode(errors='replace')} is damaged (wrong CRC)")
        if (name == b"IHDR") == bool(header):
            raise ValueError("it has two headers" if header else "it begins with no header")
        if name == b"IHDR":
            header = bytes(content)
        elif name == b"IDAT":
            pixels.append(content)
        elif name == b"acTL":
            promised = int.from_bytes(content[:4], "big")
        elif name == b"fcTL":
            begun += 1
            frames += [(bytes(content[4:12]), [])] if pixels else []
        elif name == b"fdAT" and frames:
            frames[-1][1].append(content[4:])
    if begun < promised:
        raise ValueError("its frames are cut off")
    for size, parts in frames:
        _check_pixels(parts, _first_bytes(size + header[8:], sum(map(len, parts))))
    _check_pixels(pixels, _first_bytes(header, sum(map(len, pixels))))


def bare_png(data: bytes) -> bytes:
    """Return a PNG of the same pixels, of its header and pixels alone and packed anew.

    libpng ends a process for chunks that it does not expect, and for streams without their end; of
    what is returned it finds none, if ``check_png`` found nothing.
    """
    parts = [(name, content) for name, content, _ in chunks(data)]
    header = next(bytes(content) for name, content in parts if name == b"IHDR")
    packed = b"".join(content for name, content in parts if name == b"IDAT")
    rows = zlib.decompressobj().decompress(packed, int(_first_bytes(header, len(packed))[-1]))
    made = [SIGNATURE]
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
        made += [struct.pack(">I4s", len(content), name), content, check]
    return b"".join(made)


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, bool]]:
    """Yield name and content of each chunk of a PNG, and whether it has the CRC that it says."""
    view, place = memoryview(data), len(SIGNATURE)
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        (check,) = struct.unpack_from(">I", data, end)
        yield name, view[place + 8 : end], zlib.crc32(view[place + 4 : end]) == check
        if name == b"IEND":
            return
        place = end + 4


def _first_bytes(header: bytes, packed: int) -> np.ndarray:
    """Return where in the inflated pixels each row begins, and at last where the last one ends.

    ``packed``: the bytes that they are inflated from.
    """
    if len(header) != 13:
        raise ValueError("its header is damaged")
    width, height, depth, kind, packing, filters, interlaced = struct.unpack(">IIBBBBB", header)
    known = depth in _DEPTHS.get(kind, ()) and packing == filters == 0 and interlaced < 2
    if not known or not width or not height:
        raise ValueError("its header is damaged")
    bits, passes = depth * _CHANNELS[kind], []
    for top, left, down, across in _PASSES if interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - top) // down), -(-(width - left) // across)
        if rows > 0 and columns > 0:
            passes.append((rows, 1 + -(-columns * bits // 8)))
    if sum(rows * length for rows, length in passes) > _MOST_INFLATED * (packed + 1):
        raise ValueError("its pixels are cut off")
    lines = [np.full(rows, length, dtype=np.int64) for rows, length in passes]
    return np.concatenate([[0], *lines]).cumsum()


def _check_pixels(parts: list[memoryview], begins: np.ndarray) -> None:
    """Inflate the pixels, which are kept nowhere, and look at the first byte of every row."""
    inflate, done, wanted = zlib.decompressobj(), 0, int(begins[-1])
    try:
        for part in (p[i : i + _PACKED] for p in parts for i in range(0, len(p), _PACKED)):
            rest: bytes | memoryview = part
            while len(rest) and done < wanted and not inflate.eof:
                block = np.frombuffer(inflate.decompress(rest, _BLOCK), dtype=np.uint8)
                rest = inflate.unconsumed_tail
                first, last = np.searchsorted(begins[:-1], (done, done + len(block)))
                if (block[begins[first:last] - done] > 4).any():
                    raise ValueError("its pixels are damaged (a filter that there is not)")
                done += len(block)
    except zlib.error:
        raise ValueError("its pixels are damaged (they cannot be inflated)") from None
    if done < wanted:
        raise ValueError("its pixels are cut off")
