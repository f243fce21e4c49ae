"""Guards: each protocol by name is what its definition says, computed here without srlab.

numpy in float64: MATLAB's imresize by the weights of its definition, its rgb2ycbcr, PSNR, SSIM.
"""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from common import for_all
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from skimage import data

from srlab.assembly.testsets import judge, read_testsets
from srlab.data.images import ImageSet
from srlab.evaluation.score import protocol
from srlab.imaging.resample import enlarge
from srlab.words import Colour, Protocol

BENCHMARKS = os.environ.get("SRLAB_DATA")
TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112], [112, -93.786, -18.214]])
OFFSET = np.array([16, 128, 128])


def keys_cubic(t):
    t = np.abs(t)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t <= 2, far, 0))


def resized_along(x, factor):
    """MATLAB's imresize along the first axis: pixels mirrored, weights that sum to one."""
    size, stretch = len(x), min(factor, 1)
    at = (np.arange(round(size * factor)) + 0.5) / factor - 0.5
    reach = int(np.ceil(2 / stretch)) + 1
    index = np.floor(at).astype(int)[:, None] + np.arange(-reach, reach + 1)
    weight = keys_cubic(stretch * (at[:, None] - index))
    weight /= weight.sum(axis=1, keepdims=True)
    index = index % (2 * size)
    index = np.minimum(index, 2 * size - 1 - index)
    return np.einsum("ij,ij...->i...", weight, x[index])


def resized(x, factor):
    along = resized_along(x, factor)
    return np.swapaxes(resized_along(np.swapaxes(along, 0, 1), factor), 0, 1)


def rounded(x):
    return np.clip(np.floor(x + 0.5), 0, 255)


def luma(x):
    return x @ TO_YCBCR[0] / 255 + 16


def network(x):
    """An upscaler that is no linear one, for arrays of torch as of numpy in [0, 1]."""
    return x + 0.02 * (torch.sin(9 * x) if isinstance(x, torch.Tensor) else np.sin(9 * x))


def upscaled(lr, scale):
    """The same of levels (H, W) or (H, W, 3)."""
    return 255 * network(resized(lr / 255, scale))


def expected(pixels, scale, colour, kind):
    """PSNR and SSIM of pixels (H, W) or (H, W, 3), step by step as the protocol is described."""
    height, width = (n - n % scale for n in pixels.shape[:2])
    hr = pixels[:height, :width].astype(np.float64)
    if kind == "basicsr":
        return basicsr(hr if hr.ndim == 3 else np.stack([hr] * 3, axis=-1), scale, colour)
    if colour == "y" and hr.ndim == 3:
        hr = rounded(luma(hr))
    lr = resized(hr, 1 / scale)
    sr = rounded(upscaled(lr if kind == "vdsr" else rounded(lr), scale))
    return measured(*(rounded(luma(x)) if x.ndim == 3 else x for x in (sr, hr)), scale)


def basicsr(hr, scale, colour):
    lr = rounded(resized(hr, 1 / scale))
    if colour == "rgb":
        sr = upscaled(lr, scale)
    else:
        ycbcr = lr @ TO_YCBCR.T / 255 + OFFSET
        large = resized(ycbcr, scale)
        large[..., 0] = upscaled(ycbcr[..., 0], scale)
        sr = (large - OFFSET) @ np.linalg.inv(TO_YCBCR / 255).T
    return measured(luma(rounded(sr)), luma(hr), scale)


def measured(a, b, border):
    a, b = (x[border:-border, border:-border] for x in (a, b))
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def mean(x):
        return np.einsum("ijkl,kl->ij", sliding_window_view(x, (11, 11)), window)

    c1, c2, m, n = (0.01 * 255) ** 2, (0.03 * 255) ** 2, mean(a), mean(b)
    both = 2 * (mean(a * b) - m * n) + c2
    each = mean(a * a) - m * m + mean(b * b) - n * n + c2
    ssim = ((2 * m * n + c1) * both / ((m * m + n * n + c1) * each)).mean()
    return 10 * np.log10(255**2 / np.square(a - b).mean()), ssim


def found(images, scale, colour, kind):
    pairs = read_testsets([images], scale, colour, kind)
    (result,) = judge(
        lambda lr: network(enlarge(lr, scale)), pairs, scale, colour, "ours", None, kind
    )
    return [(score.psnr, score.ssim) for score in result.scores]


def assert_judged_as_defined(paths, scale, colour, kind):
    scores = found(ImageSet("theirs", tuple(paths)), scale, colour, kind)
    for path, (psnr, ssim) in zip(paths, scores, strict=True):
        truth = expected(np.asarray(Image.open(path)), scale, colour, kind)
        assert psnr == pytest.approx(truth[0], abs=2e-4)  # float32 turns a few roundings
        assert ssim == pytest.approx(truth[1], abs=5e-6)


def test_every_protocol_is_its_definition_on_photographs(tmp_path):
    colours, grey = data.chelsea()[80:181, 100:223], data.astronaut()[:77, 180:259, 1]
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, pixels in zip(paths, (colours, grey), strict=True):
        Image.fromarray(pixels).save(path)
    for_all(product([paths], (2, 3), Colour, Protocol), assert_judged_as_defined)


@pytest.mark.skipif(not BENCHMARKS, reason="SRLAB_DATA, where Set5 lies, is not set")
def test_every_protocol_is_its_definition_on_set5():
    paths = sorted(Path(BENCHMARKS, "Set5").glob("*.*"))[1:4]
    for_all(product([paths], (3,), Colour, Protocol), assert_judged_as_defined)


def test_the_line_of_a_score_says_its_protocol():
    lines = {(k, c): protocol(3, c, k) for k, c in product(Protocol, Colour)}
    assert len(set(lines.values())) == 6
    assert lines["matlab", "y"] == protocol(3, "y")
    for colour in Colour:
        assert "bicubic / 3, not rounded;" in lines["vdsr", colour]
        assert "(16-235) not rounded" in lines["basicsr", colour]
        assert all(lines[k, colour].startswith(f"{k}: ") for k in ("vdsr", "basicsr"))
    assert "chroma by bicubic" in lines["basicsr", "y"]
