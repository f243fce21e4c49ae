"""Guards: work on several threads gives its results in order, and torch gets its threads back."""

import threading
import time
from contextlib import contextmanager

import pytest
import torch
from common import for_all

from srlab.machine.threads import map_in_threads

COUNTS = (1, 2, 5)


@contextmanager
def torch_with(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items():
    def work(number):
        time.sleep((7 - number) / 1e3)
        return number**2

    def check(threads):
        with torch_with(threads):
            assert list(map_in_threads(work, range(7))) == [number**2 for number in range(7)]
            assert list(map_in_threads(work, [])) == []
            assert list(map_in_threads(work, iter([3]))) == [9]

    for_all(COUNTS, check)


def test_threads_of_torch_are_dealt_out_and_given_back():
    def check(threads):
        barrier = threading.Barrier(min(threads, 4), timeout=30)

        def work(_):
            barrier.wait()
            return torch.get_num_threads()

        seen = []
        with torch_with(threads):
            assert sum(map_in_threads(work, range(min(threads, 4)))) <= threads
            assert torch.get_num_threads() == threads
            thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            thread.start()
            thread.join()
        assert seen == [threads]

    for_all(COUNTS, check)


def test_an_error_is_raised_and_what_has_not_begun_is_left():
    def check(threads):
        begun = []

        def work(number):
            begun.append(number)
            time.sleep(1e-3)
            if number == 1:
                raise KeyError("the second")
            return number

        with torch_with(threads):
            results = map_in_threads(work, range(1000))
            assert next(results) == 0
            with pytest.raises(KeyError, match="the second"):
                list(results)
        assert len(begun) < 1000

    for_all(COUNTS, check)
