"""What CUDA wants of whoever records a graph."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor


def capture(work: Callable[[], Tensor], device: torch.device) -> tuple[Callable[[], None], Tensor]:
    """Record what ``work`` launches on a CUDA device, without computing it.

    Returns:
        What launches it again, which keeps alive all that ``work`` holds: a graph knows no more
        than addresses. And the tensor that ``work`` returned, which each replay writes.
    """
    graph = torch.cuda.CUDAGraph()
    # On a stream of this device: torch's own would be of the first one that recorded. A loader's
    # thread may take pinned memory meanwhile, which "global" would not allow.
    with (
        torch.cuda.stream(torch.cuda.current_stream()),
        torch.cuda.graph(graph, stream=torch.cuda.Stream(), capture_error_mode="thread_local"),
    ):
        result = work()
    return partial(_launch, graph, work), result


def _launch(graph: torch.cuda.CUDAGraph, kept: object) -> None:
    graph.replay()


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which a CUDA device is the present one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@contextmanager
def stream_beside(device: torch.device) -> Iterator[None]:
    """Work on a stream of its own, as CUDA wants it before a recording."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        torch.cuda.current_stream().wait_stream(stream)


@contextmanager
def waiting_is_an_error(device: torch.device) -> Iterator[None]:
    """Let what waits for the device fail, as it would in a recording.

    But a recording that fails is never ended by torch before 2.13: its allocator would take it for
    running from then on.
    """
    if device.type != "cuda":
        yield
        return
    usual = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(action="ignore"):  # that the mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(usual)
