"""Guards: the feed gives the batches in order, however they are made, and its workers end."""

import contextlib
import subprocess
import sys

import pytest
import torch
from common import for_all, telling_pack

from srlab.data import feed as feed_module
from srlab.data.feed import feed, feed_steps
from srlab.data.patches import PatchBatches

CPU = torch.device("cpu")
BATCHES = PatchBatches(telling_pack(3, (9, 14), (20, 8), (8, 8)), 4, 6, 2, seed=5)


def check_feed(first, last, workers=0):
    steps = range(first, last)
    for step, (lr, hr) in zip(steps, feed(BATCHES, first, last, CPU, workers), strict=True):
        assert torch.equal(lr, BATCHES[step][0].float() / 255)
        assert torch.equal(hr, BATCHES[step][1].float() / 255)
        assert lr.is_contiguous(memory_format=torch.channels_last)
        assert hr.is_contiguous(memory_format=torch.channels_last)


def test_the_feed_gives_the_batches_in_order_whatever_its_blocks(monkeypatch):
    def check(values, first, last):
        monkeypatch.setitem(feed_module._BLOCK_VALUES, "cpu", values)
        check_feed(first, last)

    for_all([(1, 4, 13), (4000, 4, 13), (10**6, 4, 13), (10**6, 0, 7), (10**6, 7, 7)], check)


def test_the_steps_may_be_any_in_any_order(monkeypatch):
    monkeypatch.setitem(feed_module._BLOCK_VALUES, "cpu", 2 * BATCHES.batch_values)
    steps = [9, 2, 3, 40, 5]
    for workers in (0, 1):
        made = feed_steps(BATCHES, iter(steps), CPU, workers)
        for step, (lr, hr) in zip(steps, made, strict=True):
            assert torch.equal(lr, BATCHES[step][0].float() / 255)
            assert torch.equal(hr, BATCHES[step][1].float() / 255)


def test_the_number_of_workers_changes_nothing():
    check_feed(0, 7, workers=1)
    check_feed(3, 7, workers=2)


def test_a_pack_that_lies_on_a_gpu_gives_the_same_batches(monkeypatch):
    # The CPU stands for it: the places are drawn in a thread, one block ahead.
    monkeypatch.setattr(feed_module, "_fits", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: x)

    def check(values):
        monkeypatch.setitem(feed_module._BLOCK_VALUES, "cpu", values)
        check_feed(4, 13)

    for_all((1, 4000, 10**6), check)


def test_a_fault_in_the_thread_that_draws_is_raised(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    stream = feed_module._ahead(fail, range(3))
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert list(feed_module._ahead(lambda x: 2 * x, range(5))) == [0, 2, 4, 6, 8]


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_a_worker_whose_parent_was_killed_as_it_began_ends_too():
    script = """
import os, time
from srlab.data.feed import _start_worker

parent = os.getpid()
for late in (0.5, 0):
    if not os.fork():
        time.sleep(late)
        _start_worker(parent, 0)
        time.sleep(60)
time.sleep(0.2)
os.kill(parent, 9)
"""
    # The pipe is open as long as a worker lives.
    subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
