"""Copies from a device, beside what it computes."""

from collections.abc import Callable

import torch
from torch import Tensor


class DeviceCopies:
    """Copies from a device beside what it computes, on a stream of their own."""

    def __init__(self) -> None:
        self.stream: torch.cuda.Stream | None = None

    def start(self, source: Tensor, target: Tensor) -> Callable[[], Tensor]:
        """Begin to copy; return what waits until ``target`` is there, and returns it."""
        if not source.is_cuda:
            return lambda: target.copy_(source) if source is not target else target
        with torch.cuda.device(source.device):
            if self.stream is None:
                self.stream = torch.cuda.Stream()
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                target.copy_(source, non_blocking=target.is_pinned())
                source.record_stream(self.stream)
                arrived = self.stream.record_event()

        def wait() -> Tensor:
            arrived.synchronize()
            return target

        return wait
