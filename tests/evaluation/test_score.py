"""Guards: scores are computed as the published tables compute theirs: border, rounding, luma."""

import math

import pytest
import torch
from common import for_all, random_pixels

from srlab.evaluation.score import MOST_DB, Score, mean_score, protocol, score_images, smallest_side
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.resample import crop, enlarge, shrink
from srlab.metrics.checkerboard import picture_ripple
from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim


def test_the_protocol_says_colour_border_rounding_and_degradation():
    for scale in (2, 3):
        text = protocol(scale, "y")
        always = ["Y of BT.601", "16-235", "rounded to 8 bits", "peak 255", "SSIM 11x11"]
        always += ["in grey levels", f"ripple = checkerboard of period {scale} px"]
        always += [f"MATLAB bicubic / {scale}", f"border of {scale} px"]
        assert [word for word in always if word not in text] == []
        assert "RGB" not in text
        assert protocol(scale, "rgb").startswith("RGB, judged on Y of BT.601")
    assert protocol(2, "y") != protocol(3, "y")


def test_the_mean_is_over_images_not_over_pixels():
    scores = [Score("a", 30.0, 0.8, 0.1), Score("b", 40.0, 1.0, 0.0), Score("c", 20.0, 0.3, 0.5)]
    mean = mean_score(scores)
    assert (mean.image, mean.psnr) == ("mean", 30.0)
    assert (mean.ssim, mean.ripple) == (pytest.approx(0.7), pytest.approx(0.2))


def pair(seed, side=32):
    hr = (torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(seed)) * 255).round()
    hr = hr.double() / 255
    return f"image {seed}", to_pixels(shrink(hr, 2)), to_pixels(hr)


def test_a_score_is_of_rounded_pixels_within_the_border():
    name, lr, hr = pair(1)
    (score,) = score_images(lambda x: enlarge(x, 2), [(name, lr, hr)], 2)
    sr = to_tensor(to_pixels(enlarge(to_tensor(lr), 2)))
    a, b = crop(sr, 2), crop(to_tensor(hr), 2)
    assert score.image == name
    assert score.psnr == pytest.approx(psnr(a, b).item(), abs=1e-9)
    assert score.ssim == pytest.approx(ssim(a, b).item(), abs=1e-9)
    assert score.ripple == pytest.approx(picture_ripple(a, 2).item(), abs=1e-9)
    by_hand = 10 * math.log10(1 / (a - b).square().mean().item())
    assert score.psnr == pytest.approx(by_hand, abs=1e-9)


def test_the_border_does_not_count_and_the_next_pixel_does():
    def check(scale):
        _, _, hr = pair(2)
        lr = to_pixels(shrink(to_tensor(hr), scale))

        def spoilt(margin):
            sr = to_tensor(hr).float()
            sr[..., margin, 10:20] = 1 - sr[..., margin, 10:20]
            return score_images(lambda _: sr, [("x", lr, hr)], scale)[0].psnr

        assert spoilt(scale - 1) == spoilt(-scale) == MOST_DB
        assert spoilt(scale) < 60
        assert spoilt(-scale - 1) < 60

    for_all((2, 4), check)


def test_half_a_level_does_not_count():
    _, lr, hr = pair(3)
    for error, perfect in ((0.49, True), (0.51, False)):
        sr = to_tensor(hr) + error / 255 * (to_tensor(hr) < 0.9)
        assert (score_images(lambda _, sr=sr: sr, [("x", lr, hr)], 2)[0].psnr == MOST_DB) is perfect


def test_colour_is_judged_on_its_luma():
    generator = torch.Generator().manual_seed(4)
    hr = torch.randint(0, 256, (32, 32, 3), generator=generator, dtype=torch.uint8).numpy()
    lr = to_pixels(shrink(to_tensor(hr), 2))
    swapped = to_tensor(hr).flip(1).float()
    seen = score_images(lambda _: swapped, [("x", lr, hr)], 2)[0].psnr
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64).view(1, 3, 1, 1)
    ours, truth = (
        torch.floor(16.5 + (x.double() * weights).sum(1, keepdim=True)) / 255
        for x in (swapped, to_tensor(hr))
    )
    assert seen == pytest.approx(psnr(crop(ours, 2), crop(truth, 2)).item(), abs=1e-6)


def test_a_grey_truth_is_compared_with_the_mean_of_what_a_network_for_rgb_makes():
    _, lr, hr = pair(7)
    truth = to_tensor(hr)
    off = torch.tensor([-4, 1, 3], dtype=torch.float64).view(1, 3, 1, 1) / 255
    colours = truth.clamp(4 / 255, 252 / 255) + off  # whose mean is the truth, but for its ends
    grey = to_pixels(truth.clamp(4 / 255, 252 / 255))
    assert score_images(lambda _: colours, [("x", lr, grey)], 2)[0].psnr == MOST_DB


def test_the_upscaler_sees_single_precision_without_a_graph():
    def upscale(lr):
        assert lr.dtype == torch.float32
        assert lr.shape == (1, 1, 16, 16)
        assert torch.is_inference_mode_enabled()
        return enlarge(lr, 2)

    assert len(score_images(upscale, [pair(5), pair(6)], 2)) == 2


def test_the_smallest_side_is_the_smallest_that_can_be_judged():
    def check(scale):
        side = smallest_side(scale)
        for size, possible in ((side, True), (side - 1, False)):
            hr = to_pixels(torch.rand(1, 1, size, size, dtype=torch.float64))
            pairs = [("x", hr, hr)]
            if possible:
                assert score_images(lambda x: x * 0.5, pairs, scale)[0].ssim < 1
            else:
                with pytest.raises(ValueError, match="images of at least"):
                    score_images(lambda x: x * 0.5, pairs, scale)

    for_all((2, 3, 4, 8), check)


def test_scores_do_not_depend_on_the_number_of_threads():
    sizes = [(13, 14), (30, 11), (20, 20), (11, 16)]
    pairs = [(f"{h}x{w}", random_pixels(h, w, 1), random_pixels(2 * h, 2 * w, 1)) for h, w in sizes]
    alone = [score_images(lambda lr: enlarge(lr, 2), [pair], 2)[0] for pair in pairs]
    before = torch.get_num_threads()

    def check(threads):
        torch.set_num_threads(threads)
        scores = score_images(lambda lr: enlarge(lr, 2), pairs, 2)
        assert [score.image for score in scores] == [name for name, *_ in pairs]
        assert [(s.psnr, s.ssim, s.ripple) for s in scores] == [
            pytest.approx((s.psnr, s.ssim, s.ripple), abs=1e-9) for s in alone
        ]

    try:
        for_all((1, 2, 5), check)
    finally:
        torch.set_num_threads(before)
