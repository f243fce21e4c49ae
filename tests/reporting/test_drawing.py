"""Guards: a sheet is drawn of any upsampler, the same each time, and says what it shows."""

import io
import sys
from functools import partial

import numpy as np
import pytest
import torch
from common import for_all
from PIL import Image

from srlab.errors import UserError
from srlab.imaging.resample import enlarge, phase_taps
from srlab.reporting import sheet
from srlab.reporting.drawing import draw_upsampler

BICUBIC = torch.outer(*[phase_taps(3, "bicubic").flip(1).T.flatten()] * 2)[None, None]


def bicubic(scale):
    return lambda picture: enlarge(picture, scale)


def pixels_of(png):
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


@pytest.fixture
def headlines(monkeypatch):
    """Collect the headlines that are written on sheets."""
    found = []
    heading = sheet.heading

    def noting(figure, left, bottom, headline, note):
        found.append(headline)
        heading(figure, left, bottom, headline, note)

    monkeypatch.setattr(sheet, "heading", noting)
    return found


def test_a_sheet_comes_out_whatever_the_kernel_and_the_scale(headlines):
    pytest.importorskip("matplotlib")

    def check(scale, kernel, headline):
        headlines.clear()
        png = draw_upsampler("T: 5 $ or 7 $", "n", scale, bicubic(scale), halo=2, kernel=kernel)
        pixels = pixels_of(png)
        assert headlines[0] == headline
        assert pixels.shape == (1100, 1550, 3)
        assert (pixels[0] == 255).all()
        drawn = (pixels != 255).any(axis=2).mean()
        assert 0.03 < drawn < 0.6

    edge = torch.tensor([[1.0, -1.0, 0.0]] * 3)[None, None]  # nothing of a flat area is left
    cases = [
        (3, torch.randn(32, 1, 9, 9), "6 of 32 input channels, the strongest"),
        (8, torch.randn(3, 3, 7, 7), "6 of 9 kernels (3 channels in, 3 out), the strongest"),
        (5, edge, "Kernel"),
        (2, torch.zeros(4, 1, 3, 3), "Kernel: all weights are zero"),
    ]
    for_all(cases, check)


def test_the_headline_says_how_many_kernels_there_are(headlines, monkeypatch):
    agg = pytest.importorskip("matplotlib.backends.backend_agg")
    monkeypatch.setattr(agg.FigureCanvasAgg, "print_png", lambda *_, **__: None)
    alike = torch.ones(1, 1, 3, 3) * torch.eye(3)[:, :, None, None]
    one = torch.zeros(4, 1, 3, 3)
    one[2] = 1.0
    same, alone = "Kernel, the same for all 3 channels", "The one kernel of 4 in use"
    for kernel, headline in ((alike, same), (one, alone)):
        headlines.clear()
        draw_upsampler("T", "n", 3, bicubic(3), halo=2, kernel=kernel)
        assert headlines[0] == headline


def test_what_depends_on_the_picture_is_drawn_too(headlines):
    pytest.importorskip("matplotlib")
    png = draw_upsampler("T", "n", 8, lambda x: enlarge(x**2, 8), channels=3, halo=2)
    assert headlines[0] == "No fixed kernel, and so no frequency response"
    assert pixels_of(png).shape == (1100, 1550, 3)


def test_drawing_twice_gives_the_same_bytes_and_leaves_no_settings():
    matplotlib = pytest.importorskip("matplotlib")
    before = dict(matplotlib.rcParams)
    draw = partial(draw_upsampler, "T", "n", 3, bicubic(3), halo=2, kernel=BICUBIC, padding=6)
    first = draw()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        again = draw()
    assert first == again
    assert dict(matplotlib.rcParams) == before


def test_a_missing_matplotlib_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="pip install matplotlib"):
        draw_upsampler("T", "n", 2, bicubic(2))
