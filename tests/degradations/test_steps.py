"""Guards: each step of a degradation does what its name says, and says what it refuses."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from srlab.degradations.blur import Blur, Sharpen, Sinc, kernel
from srlab.degradations.compression import Jpeg, WebP
from srlab.degradations.noise import GaussianNoise, PoissonNoise
from srlab.degradations.order import InTurn, OneOf, Shuffled, Sometimes
from srlab.degradations.shrink import Resize, Shrink
from srlab.errors import UserError
from srlab.imaging.files import to_pixels
from srlab.imaging.resample import shrink


def rng():
    return np.random.default_rng(0)


def smooth(channels=3, side=48):
    """A picture of soft structures, of 8 bits."""
    y, x = np.mgrid[:side, :side] / side
    planes = [0.5 + 0.4 * np.sin(7 * x + k) * np.cos(5 * y - k) for k in range(channels)]
    return torch.from_numpy(np.round(np.stack(planes)[None] * 255) / 255)


@pytest.mark.parametrize(("sigma", "other", "angle"), [(1.6, 1.6, 0.0), (3.0, 1.0, 0.6)])
def test_a_gaussian_kernel_has_the_covariance_that_it_is_asked_for(sigma, other, angle):
    taps = kernel(41, sigma, other, angle, 1.0, plateau=False)
    place = np.arange(41) - 20
    assert taps.sum() == pytest.approx(1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = turn @ np.diag([sigma**2, other**2]) @ turn.T
    got = [[(taps * a * b).sum() for b in (place[None], place[:, None])]
           for a in (place[None], place[:, None])]  # fmt: skip
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_blur_is_a_correlation_with_its_kernel_over_a_border_that_is_repeated():
    picture = smooth()
    for step in (Blur(1.2, size=7), Blur([0.6, 2.0], beta=2.0, anisotropic=True, size=9)):
        blurred = step(picture, rng(), (0, 0))
        dot = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
        dot[..., 10, 10] = 1
        taps = step(dot, rng(), (0, 0))[0, 0, 5:16, 5:16].flip(0, 1)
        framed = torch.nn.functional.pad(picture, [5] * 4, mode="replicate")
        expected = torch.nn.functional.conv2d(framed.transpose(0, 1), taps[None, None])
        torch.testing.assert_close(blurred, expected.transpose(0, 1), atol=1e-12, rtol=0)


def test_a_sinc_lets_pass_what_is_below_its_cutoff():
    across = torch.arange(200, dtype=torch.float64)
    step = Sinc(cutoff=1.0, size=[61, 61])
    for frequency, least, most in ((0.5, 0.9, 1.1), (1.6, 0.0, 0.1)):
        wave = 0.5 + 0.4 * torch.cos(frequency * across).expand(1, 1, 200, 200)
        left = step(wave, rng(), (0, 0))[0, 0, 100, 60:140] - 0.5
        assert least <= float(left.abs().max()) / 0.4 <= most


def test_sharpening_adds_what_a_blur_takes_away():
    picture = smooth()
    soft = Blur(1.0)(picture, rng(), (0, 0))
    expected = (picture + 0.8 * (picture - soft)).clamp(0, 1)
    torch.testing.assert_close(Sharpen(0.8, 1.0)(picture, rng(), (0, 0)), expected)


def test_shrinking_is_that_of_matlab_and_takes_the_pixel_in_the_middle():
    picture = smooth()
    assert torch.equal(Shrink()(picture, rng(), (16, 16)), shrink(picture, 3))
    nearest = Shrink(["nearest"])
    assert torch.equal(nearest(picture, rng(), (16, 16)), picture[..., 1::3, 1::3])
    assert torch.equal(nearest(picture, rng(), (24, 24)), picture[..., 1::2, 1::2])
    means = picture.unfold(2, 4, 4).unfold(3, 4, 4).mean((-1, -2))
    torch.testing.assert_close(Shrink(["area"])(picture, rng(), (12, 12)), means)


def test_sizes_on_the_way_are_drawn_and_low_resolution_is_reached_from_any():
    sides = {
        Resize([0.3, 1.4])(smooth(), np.random.default_rng(k), (16, 16)).shape[-1] for k in range(9)
    }
    assert len(sides) > 5
    assert min(sides) >= 8
    assert Resize(1.0, of="low")(smooth(), rng(), (16, 12)).shape[-2:] == (16, 12)
    for kind in ("bicubic", "bilinear", "area", "nearest"):
        for side in (29, 48, 11):
            assert Shrink([kind])(smooth(side=side), rng(), (16, 16)).shape == (1, 3, 16, 16)


def test_noise_is_as_strong_as_it_is_asked_to_be_and_grey_noise_is_in_all_channels():
    flat = torch.full((1, 3, 200, 200), 0.5, dtype=torch.float64)
    noise = (GaussianNoise(20)(flat, rng(), (0, 0)) - flat) * 255
    assert float(noise.std()) == pytest.approx(20, rel=0.02)
    assert abs(float(np.corrcoef(noise[0, 0].flatten(), noise[0, 1].flatten())[0, 1])) < 0.02
    grey = GaussianNoise(20, grey=1.0)(flat, rng(), (0, 0)) - flat
    torch.testing.assert_close(grey[0, 0], grey[0, 1])


def test_noise_of_photons_grows_with_the_root_of_the_light():
    half = torch.full((1, 1, 300, 300), 0.2, dtype=torch.float64)
    half[..., 150:] = 0.8
    half += torch.linspace(0, 0.1, 300, dtype=torch.float64)[:, None]  # of more than two levels
    noise = PoissonNoise(1.0)(half, rng(), (0, 0)) - half
    dark, bright = (float(part.std()) for part in noise.split(150, dim=-1))
    assert bright / dark == pytest.approx((0.85 / 0.25) ** 0.5, rel=0.1)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_the_codec_makes(channels):
    picture = smooth(channels)
    pixels = to_pixels(picture)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=40, subsampling=2)
    expected = np.asarray(Image.open(file)).reshape(pixels.shape)
    np.testing.assert_array_equal(to_pixels(Jpeg(40)(picture, rng(), (0, 0))), expected)
    assert not torch.equal(
        Jpeg(40, anywhere=True)(picture, rng(), (0, 0)), Jpeg(40)(picture, rng(), (0, 0))
    )
    if channels == 3:
        full = Jpeg(40, subsampling="4:4:4")(picture, rng(), (0, 0))
        assert (full - picture).square().mean() < (
            Jpeg(40)(picture, rng(), (0, 0)) - picture
        ).square().mean()
    assert WebP(40)(picture, rng(), (0, 0)).shape == picture.shape


def test_steps_of_steps_do_what_they_hold():
    def add(value):
        return lambda image, rng, size: image + value

    def double(image, rng, size):
        return 2 * image

    one = torch.ones(1, 1, 2, 2)
    assert float(InTurn({"a": add(1), "b": double})(one, rng(), (0, 0)).max()) == 4
    seen = {
        float(Shuffled({"a": add(1), "b": double})(one, np.random.default_rng(k), (0, 0)).max())
        for k in range(20)
    }
    assert seen == {3, 4}
    counts = [
        float(
            OneOf({"a": add(1), "b": add(2)}, [3, 1])(one, np.random.default_rng(k), (0, 0)).max()
        )
        for k in range(400)
    ]
    assert counts.count(2) / 400 == pytest.approx(0.75, abs=0.06)
    done = [
        float(Sometimes(add(1), 0.25)(one, np.random.default_rng(k), (0, 0)).max())
        for k in range(400)
    ]
    assert done.count(2) / 400 == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Blur([2, 1]), "sigma must be a number or"),
        (lambda: Blur(0), "sigma must lie from 0.05 to 20, got 0"),
        (lambda: Blur(1, size=4), "size must be an odd number"),
        (lambda: Jpeg(0), "quality must lie from 1 to 100, got 0"),
        (lambda: GaussianNoise(-1), "sigma must lie from 0 to 255"),
        (lambda: Sometimes(Jpeg(), 2), "chance must lie from 0 to 1"),
        (lambda: OneOf({"a": Jpeg()}, [1, 2]), "weights must have a number above 0 for each"),
        (lambda: Shrink([]), "kinds must name one at least"),
    ],
)
def test_numbers_out_of_range_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_kernel_larger_than_the_picture_is_told():
    with pytest.raises(
        UserError, match="a kernel of 31x31 pixels is larger than a picture of 16x16"
    ):
        Blur(5, size=31)(smooth(side=16), rng(), (8, 8))
    assert Blur(5)(smooth(side=16), rng(), (8, 8)).shape == (1, 3, 16, 16)  # of its own, what fits
