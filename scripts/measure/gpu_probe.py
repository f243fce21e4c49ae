"""What a machine can do at best: python scripts/measure/gpu_probe.py --out FOLDER [--device cuda].

Each ceiling by itself, and whether a CUDA graph whose recording fails spoils the next one, go to
FOLDER/probe.json; what the machine is, to FOLDER/machine.json. ``gpu.py`` runs it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu_commands import NO_CUDA

GROUPS, CALLS = 5, 10  # of calls that a time is the median of


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    begin(options.device, options.out)
    probe(options.out, torch.device(options.device), options.tiny)


def begin(device: str, folder: Path) -> None:
    """Leave the process if it has no CUDA and wants it; else write what the machine is."""
    if device != "cpu" and not torch.cuda.is_available():
        print("torch sees no CUDA device here", file=sys.stderr)
        sys.exit(NO_CUDA)
    card = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    found = {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "card": card and card.name,
        "card_memory": card and card.total_memory,
        "card_processors": card and card.multi_processor_count,
        "capability": card and f"{card.major}.{card.minor}",
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    (folder / "machine.json").write_text(json.dumps(found, indent=2) + "\n")


def seconds_of(run: Callable[[], object], device: torch.device, calls: int = CALLS) -> float:
    """Return the seconds of a call that follows others, the median of some groups of calls."""
    found = []
    for _ in range(GROUPS + 1):  # the first one warms up
        wait(device)
        start = time.perf_counter()
        for _ in range(calls):
            run()
        wait(device)
        found.append((time.perf_counter() - start) / calls)
    return statistics.median(found[1:])


def wait(device: torch.device) -> None:
    """Wait until a device has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def probe(folder: Path, device: torch.device, tiny: bool) -> None:
    """Measure the ceilings; each is printed and written as soon as it is known."""
    found: dict[str, Any] = {}

    def note(key: str, value: float | str, sentence: str) -> None:
        found[key] = value
        (folder / "probe.json").write_text(json.dumps(found, indent=2) + "\n")
        print(f":: {sentence}", flush=True)

    x = torch.ones(2**16 if tiny else 2**28, device=device)
    y = torch.empty_like(x)
    rate = 2 * x.nbytes / seconds_of(partial(y.copy_, x), device)
    note("copy", rate, f"copying on the device moves {rate / 1e12:.3f} TB/s, read and written")
    del x, y
    side = 128 if tiny else 8192
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    rate = 2 * side**3 / seconds_of(partial(torch.matmul, a, a), device)
    note("bf16_product", rate, f"a product of bf16 matrices makes {rate / 1e12:.3f} TFLOP/s")
    del a
    _convolutions(device, 16 if tiny else 256, note)
    if device.type == "cuda":
        _launches(device, note)
        _copies_to_and_from(device, note)
        with suppress(OSError):
            print(subprocess.run(["nvidia-smi"], capture_output=True, text=True).stdout, flush=True)
        _after_a_failed_recording(device, note)
        os._exit(0)  # taking CUDA down after that may fail, which is told by now


def _convolutions(device: torch.device, side: int, note: Callable[..., None]) -> None:
    """Measure a convolution of 64 features in fp32, with TF32 and without."""
    kind = torch.channels_last
    features = torch.randn(16, 64, side, side, device=device).to(memory_format=kind)
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device, memory_format=kind)
    usual = torch.backends.cudnn.allow_tf32
    for tf32 in (True, False) if device.type == "cuda" else (False,):
        torch.backends.cudnn.allow_tf32 = tf32
        with torch.no_grad():
            took = seconds_of(partial(layer, features), device)
        rate = 2 * 16 * side**2 * 64 * 64 * 9 / took
        way = "with" if tf32 else "without"
        note(
            f"convolution_{way}_tf32",
            rate,
            f"a convolution from 64 to 64 features in fp32 {way} TF32 makes "
            f"{rate / 1e12:.3f} TFLOP/s",
        )
    torch.backends.cudnn.allow_tf32 = usual


def _launches(device: torch.device, note: Callable[..., None]) -> None:
    """Measure what Python takes for a kernel that has nothing to do, launched and recorded."""
    z = torch.zeros(1, device=device)
    took = seconds_of(partial(z.add_, 1), device, 1000)
    note("launch", took, f"a kernel that does nothing takes {1e6 * took:.1f} us, launched by torch")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        z.add_(1)
    took = seconds_of(graph.replay, device, 1000)
    note("replay", took, f"and {1e6 * took:.1f} us as a recording of its own")


def _copies_to_and_from(device: torch.device, note: Callable[..., None]) -> None:
    """Measure copies of an RGB picture of 1920x1080, 8 bits, between host and device."""
    pageable = torch.zeros(1080, 1920, 3, dtype=torch.uint8)
    for name, here in {"pageable": pageable, "pinned": pageable.pin_memory()}.items():
        there = here.to(device)
        for way, target, source in (("to", there, here), ("from", here, there)):
            took = seconds_of(partial(target.copy_, source, non_blocking=True), device)
            note(
                f"{way}_device_{name}",
                took,
                f"1920x1080 RGB {way} the device, {name}: {1e3 * took:.3f} ms",
            )


def record_once(device: torch.device) -> None:
    """Record a CUDA graph and replay it.

    Raises:
        RuntimeError: It cannot be done in this process, or the replay computes something else.
    """
    wait(device)
    z = torch.zeros(1, device=device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        z.add_(1)
    graph.replay()
    if z.item() != 1:
        raise RuntimeError(f"the replay made {z.item()} of 0 + 1")


def _after_a_failed_recording(device: torch.device, note: Callable[..., None]) -> None:
    """Let a recording fail as a step does that waits for the device; see what works afterwards."""
    z = torch.zeros(1, device=device)

    def waits() -> None:
        # The stream is set anew on the way out: a recording that fails may leave its own behind.
        with (
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(torch.cuda.CUDAGraph(), capture_error_mode="thread_local"),
        ):
            z.item()

    steps: dict[str, Callable[[], object]] = {
        "a recording that waits for the device": waits,
        "after it, emptying the cache of memory": torch.cuda.empty_cache,
        "after it, another recording": partial(record_once, device),
    }
    for name, run in steps.items():
        said = "works"
        try:
            run()
        except RuntimeError as error:
            said = f"fails: {(str(error) or repr(error)).splitlines()[0][:160]}"
        note(name.replace(",", "").replace(" ", "_"), said, f"{name}: {said}")


if __name__ == "__main__":
    main()
