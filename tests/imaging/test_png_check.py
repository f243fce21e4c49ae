"""Guards: a damaged or cut PNG is refused, never decoded to other pixels, and crashes nothing."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from srlab.errors import UserError
from srlab.imaging.files import read_pixels
from srlab.imaging.picture import read_picture
from srlab.imaging.png_check import check_png

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
         (1, 0, 2, 1))  # fmt: skip


def chunk(name, data, crc=0):
    check = zlib.crc32(name + data) ^ crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png(stream, header, crc=0):
    """A file whose only IDAT is ``stream``."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", stream, crc) + chunk(b"IEND", b"")


def rows(pixels, filtered=0):
    """The bytes of ``(H, W, C)``, unfiltered, of 16 bits the upper byte first."""
    lines = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">")))
    lines = lines.view(np.uint8).reshape(len(pixels), -1)
    return b"".join(bytes([filtered]) + line.tobytes() for line in lines)


def interlaced(pixels):
    passes = [pixels[top::down, left::across] for top, left, down, across in ADAM7]
    height, width, _ = pixels.shape
    stream = zlib.compress(b"".join(rows(part) for part in passes if part.size))
    return png(stream, (width, height, 8 * pixels.itemsize, 2, 0, 0, 1))


def saved(mode, size, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG")
    return file.getvalue()


def deep(height=6, width=5):
    pixels = np.random.default_rng(0).integers(0, 65536, (height, width, 3), dtype=np.uint16)
    return png(zlib.compress(rows(pixels)), (width, height, 16, 2, 0, 0, 0))


def pixels_or_fault(path):
    try:
        return read_picture(path).pixels
    except UserError as error:
        return str(error)


def test_whole_pictures_of_every_kind_pass():
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        for size in ((1, 1), (7, 3), (9, 8), (64, 33)):
            if mode == "I;16":
                data = png(zlib.compress(rows(np.zeros((*size, 1), np.uint16))),
                           (*size[::-1], 16, 0, 0, 0, 0))  # fmt: skip
            else:
                data = saved(mode, size)
            check_png(data)
    for size in ((1, 1), (3, 2), (8, 8), (13, 21)):
        check_png(interlaced(np.full((*size, 3), 7, np.uint8)))
        check_png(interlaced(np.full((*size, 3), 7, np.uint16)))


@pytest.mark.parametrize("kind", ["8 bits", "palette", "16 bits", "interlaced"])
def test_a_flipped_bit_is_told_or_changes_no_pixel(kind, tmp_path):
    data = {
        "8 bits": saved("RGB", (11, 9)),
        "palette": saved("P", (11, 9)),
        "16 bits": deep(),
        "interlaced": interlaced(np.random.default_rng(0).integers(0, 256, (9, 10, 3), np.uint8)),
    }[kind]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    whole = read_picture(path).pixels
    random, refused = np.random.default_rng(1), 0
    for bit in random.choice(8 * len(data), 250, replace=False):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        outcome = pixels_or_fault(path)
        if isinstance(outcome, str):
            assert outcome.startswith(f"{path} ")
            refused += 1
        else:
            assert np.array_equal(outcome, whole), f"bit {bit}"
    assert refused > 200


def test_a_file_whose_pixels_are_cut_off_anywhere_is_refused(tmp_path):
    for data in (saved("RGB", (11, 9)), deep()):
        for length in range(0, len(data), 5):
            path = tmp_path / "a.png"
            path.write_bytes(data[:length])
            whole = np.asarray(Image.open(io.BytesIO(data)))
            outcome = pixels_or_fault(path)
            if isinstance(outcome, str):
                assert "a.png is not a readable image" in outcome
            else:  # what is missing comes after the pixels
                assert length > len(data) - 20
                assert outcome.shape == whole.shape


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(zlib.compress(rows(np.zeros((4, 8, 3), np.uint8))), (8, 8, 8, 2, 0, 0, 0)),
         "its pixels are cut off"),
        (png(zlib.compress(rows(np.zeros((8, 8, 3), np.uint16), 9)), (8, 8, 16, 2, 0, 0, 0)),
         "a filter that there is not"),
        (png(b"\x78\x9c" + bytes(40), (8, 8, 16, 2, 0, 0, 0)), "cannot be inflated"),
        (png(zlib.compress(rows(np.zeros((8, 8, 3), np.uint16))), (8, 8, 16, 2, 0, 0, 0), 1),
         "part IDAT is damaged"),
    ],
)  # fmt: skip
def test_pixels_that_are_missing_or_damaged_are_refused_by_every_reader(data, said, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for read in (read_picture, read_pixels):
        with pytest.raises(UserError, match=said):
            read(path)


def test_a_file_of_a_format_that_starts_programs_is_not_decoded(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with pytest.raises(UserError, match="its content is none of AVIF, BMP, GIF, JPEG, PNG"):
        read_picture(path)


def test_many_rows_of_little_data_are_refused_at_once():
    with pytest.raises(ValueError, match="its pixels are cut off"):
        check_png(png(b"", (1, 30_000_000, 8, 0, 0, 0, 0)))


def test_pixels_that_are_packed_in_one_part_or_in_many_pass_alike():
    pixels = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    stream = zlib.compress(rows(pixels), 1)
    header = (900, 700, 8, 2, 0, 0, 0)
    check_png(png(stream, header))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    parts = b"".join(chunk(b"IDAT", stream[i : i + 999]) for i in range(0, len(stream), 999))
    check_png(b"\x89PNG\r\n\x1a\n" + head + parts + chunk(b"IEND", b""))


def test_16_bits_are_read_whatever_else_a_file_holds(tmp_path):
    """Of libpng each of these ended the process."""
    pixels = np.random.default_rng(0).integers(0, 65536, (6, 5, 3), dtype=np.uint16)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0))
    stream = zlib.compress(rows(pixels))
    end = chunk(b"IEND", b"")
    bodies = {
        "no end of the stream": chunk(b"IDAT", stream[:-4]),
        "an unknown part that counts": chunk(b"ABCD", b"x") + chunk(b"IDAT", stream),
        "more than the pixels": chunk(b"IDAT", zlib.compress(rows(pixels) + bytes(500))),
        "a palette of nothing": chunk(b"PLTE", b"") + chunk(b"IDAT", stream),
        "two headers": header + chunk(b"IDAT", stream),
    }
    for name, body in bodies.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body + end)
        found = pixels_or_fault(path)
        assert str(path) in found if isinstance(found, str) else np.array_equal(found, pixels), name
