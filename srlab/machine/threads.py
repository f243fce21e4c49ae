"""Working on several pictures at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

_MOST = 4  # pictures in memory at once

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``work(item)`` of each item in turn, several at a time where torch has threads.

    Torch's threads are dealt out among the items: one thread that has a picture to itself waits for
    no other, as threads that share each step of it do. An item that fails raises its error when
    its turn comes, and those that have not begun are left.
    """
    items = list(items)
    threads = torch.get_num_threads()
    workers = min(threads, len(items), _MOST)
    if workers < 2:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers, "srlab", torch.set_num_threads, (threads // workers,))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what threads to come start with
