"""Guards: a GIF that ends before its end is not taken for a shorter film."""

import io

import numpy as np
import pytest
from PIL import Image

from srlab.imaging.gif_check import check_gif


@pytest.fixture(scope="module")
def film() -> bytes:
    random = np.random.default_rng(0)
    frames = [Image.fromarray(random.integers(0, 256, (9, 7, 3), dtype=np.uint8)) for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], comment=b"noise")
    return file.getvalue()


def test_a_whole_film_passes_and_no_beginning_of_it_does(film):
    check_gif(film)
    for length in range(13, len(film)):
        with pytest.raises(ValueError, match="its end is missing"):
            check_gif(film[:length])


def test_what_follows_the_end_and_stray_bytes_are_passed_over(film):
    check_gif(film + b"\0more")
    check_gif(film[:-1] + b"\0\0;")
