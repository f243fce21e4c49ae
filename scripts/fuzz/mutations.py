"""Ways to damage the bytes of a file, each of random numbers and the bytes."""

import struct
import zlib
from random import Random

PNG = b"\x89PNG\r\n\x1a\n"
_EXTREMES = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)


def flip(random: Random, data: bytes) -> bytes:
    """Flip one bit, or a few."""
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def flip_early(random: Random, data: bytes) -> bytes:
    """Flip a bit of the first 64 bytes, where headers are."""
    damaged = bytearray(data)
    damaged[random.randrange(min(64, len(damaged)))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def cut(random: Random, data: bytes) -> bytes:
    """Cut off the end: anywhere, or a few bytes."""
    return data[: random.choice((random.randrange(len(data)), len(data) - random.randrange(1, 30)))]


def overwrite(random: Random, data: bytes) -> bytes:
    """Overwrite some bytes by noughts, ones, or others of the file, as a bad sector does."""
    begin, length = random.randrange(len(data)), random.randrange(1, 64)
    begin = min(begin, len(data) - 1)
    length = min(length, len(data) - begin)
    other = random.randrange(len(data) - length + 1)
    filling = random.choice((bytes(length), b"\xff" * length, data[other : other + length]))
    return data[:begin] + filling + data[begin + length :]


def splice(random: Random, data: bytes) -> bytes:
    """Take bytes out, put bytes in, or let two parts change places."""
    a, b, c = sorted(random.randrange(len(data) + 1) for _ in range(3))
    return random.choice((
        data[:a] + data[b:],
        data[:a] + random.randbytes(b - a) + data[a:],
        data[:b] + data[a:],
        data[:a] + data[b:c] + data[a:b] + data[c:],
    ))  # fmt: skip


def field(random: Random, data: bytes) -> bytes:
    """Set a number of one, two or four bytes in the first 100: a size, an offset, a count."""
    form = random.choice(("<H", ">H", "<I", ">I", "B"))
    size = struct.calcsize(form)
    place = random.randrange(max(1, min(100, len(data) - size)))
    value = random.choice((*_EXTREMES, random.randrange(2**16))) % 256**size
    return data[:place] + struct.pack(form, value) + data[place + size :]


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return name and content of each chunk of a PNG that is whole."""
    found, place = [], len(PNG)
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        found.append((name, data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def as_png(parts: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG of chunks, each with the CRC that it should have."""
    written = [PNG]
    for name, content in parts:
        check = zlib.crc32(name + content)
        written += [struct.pack(">I", len(content)), name, content, struct.pack(">I", check)]
    return b"".join(written)


def png_chunks(random: Random, data: bytes) -> bytes:
    """Take chunks of a PNG away, double them, let two change places or damage one; right CRCs."""
    parts = chunks(data)
    at, other = (random.randrange(len(parts)) for _ in range(2))
    name, content = parts[at]
    how = random.randrange(5)
    if how == 0:
        del parts[at]
    elif how == 1:
        parts.insert(other, parts[at])
    elif how == 2:
        parts[at], parts[other] = parts[other], parts[at]
    elif content:
        damage = random.choice((flip, overwrite, splice, field, cut))
        parts[at] = name, damage(random, content)
    return as_png(parts)
