import threading
import time

import numpy as np
import pytest
import torch

from srlab.evaluation.score import score_images
from srlab.imaging.resample import enlarge
from srlab.imaging.threads import each


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    """Torch's threads, for a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items(threads):
    def work(number):
        time.sleep((7 - number) / 1e3)
        return number**2

    assert list(each(work, range(7))) == [number**2 for number in range(7)]
    assert list(each(work, [])) == []
    assert list(each(work, iter([3]))) == [9]


def test_threads_of_torch_are_dealt_out_and_given_back(threads):
    barrier = threading.Barrier(min(threads, 4), timeout=30)

    def work(_):
        barrier.wait()
        return torch.get_num_threads()

    assert sum(each(work, range(min(threads, 4)))) <= threads
    assert torch.get_num_threads() == threads
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [threads]


def test_an_error_is_raised_and_what_has_not_begun_is_left(threads):
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(1e-3)
        if number == 1:
            raise KeyError("the second")
        return number

    results = each(work, range(1000))
    assert next(results) == 0
    with pytest.raises(KeyError, match="the second"):
        list(results)
    assert len(begun) < 1000


def test_scores_do_not_depend_on_the_number_of_threads(threads):
    rng = np.random.default_rng(0)
    sizes = [(13, 14), (30, 11), (20, 20), (11, 16)]
    pairs = [
        (
            str(size),
            *(rng.integers(0, 256, (f * size[0], f * size[1], 1), np.uint8) for f in (1, 2)),
        )
        for size in sizes
    ]
    scores = score_images(lambda lr: enlarge(lr, 2), pairs, 2)
    assert [score.image for score in scores] == [str(size) for size in sizes]
    alone = [score_images(lambda lr: enlarge(lr, 2), [pair], 2)[0] for pair in pairs]
    assert [(s.psnr, s.ssim, s.ripple) for s in scores] == [
        pytest.approx((s.psnr, s.ssim, s.ripple), abs=1e-9) for s in alone
    ]
