"""Where the time of a training step goes: python scripts/measure/gpu_profile.py --out FOLDER ...

Trains as ``srlab train`` does: some steps for their time, then some under torch's profiler for what
they do. FOLDER/profile.json, and traces for chrome://tracing. ``gpu.py`` runs it.
"""

import argparse
import itertools
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from gpu_probe import begin, wait
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.autograd import DeviceType

from srlab.assembly.learner import build_state
from srlab.config.build import build
from srlab.config.paths import config_dir
from srlab.config.register import register
from srlab.data.feed import feed
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.training.loop import Callbacks, LoopSettings, fit
from srlab.training.schedule import constant

TIMED = 5  # repetitions of a step's time
WITH_A_GRAPH = (("espcn", True), ("espcn", False), ("edsr_baseline", True))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", nargs="+", default=["data=photos"], help="what is trained on")
    parser.add_argument("--tiny", action="store_true", help="few steps, to see that it runs")
    options = parser.parse_args()
    begin(options.device, options.out)
    profile(options.out, torch.device(options.device), options.data, options.tiny)


def profile(folder: Path, device: torch.device, data: list[str], tiny: bool) -> None:
    """Profile the steps of some trainings, which run as ``srlab train`` runs them."""
    rows = []
    for model, graph in WITH_A_GRAPH if device.type == "cuda" else WITH_A_GRAPH[1:]:
        row = _profile_one(folder, device, model, graph, data, tiny)
        rows.append(row)
        (folder / "profile.json").write_text(json.dumps(rows, indent=2) + "\n")
        kernels = "; kernels and copies of the device were not measured"
        if row["busy_us"] is not None:
            kernels = (
                f"; under the profiler the device works in {row['busy_us']:.0f} us of a step, "
                f"which is {100 * row['busy_us'] / row['step_us']:.0f} %, "
                f"on {row['kernels']:.1f} kernels and {row['copies']:.1f} copies and fills"
            )
        step = f"{row['step_us']:.0f} us a step by the clock"
        print(f":: {model} in fp32, {row['way']}: {step}{kernels}", flush=True)
        for entry in row["longest"]:
            print(f"   {entry['us']:10.1f} us {entry['count']:8.1f} x  {entry['name'][:100]}")


def _profile_one(
    folder: Path, device: torch.device, model: str, graph: bool, data: list[str], tiny: bool
) -> dict[str, Any]:
    """Train some steps without the profiler, for their time, and some with it, for what they do.

    Returns:
        ``step_us`` is the time of a step without the profiler; ``busy_us``, ``kernels``, ``copies``
        and ``longest`` are per step with it, None where there is no CUDA.
    """
    steps, batch_size, patch_size = (3, 2, 8) if tiny else (64, 16, 17)
    colour = "rgb" if model == "edsr_baseline" else "y"
    register()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        chosen = compose("train", [f"model={model}", f"colour={colour}", *data])
    config: Any = OmegaConf.to_object(chosen)
    state, objective = build_state(config, device)
    pack = open_pack(build(config.data, "data"), config.scale, colour, patch_size)
    frame = state.model.frame
    batches = PatchBatches(pack, batch_size, patch_size, frame, seed=0)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] * (device.type == "cuda")
    profiler = torch.profiler.profile(activities=kinds)
    total = (TIMED + 2) * steps  # the first repetition warms up, the last one is profiled
    times: list[float] = []
    notes: list[str] = []

    def log(step: int, *_: object) -> None:
        wait(device)
        times.append(time.perf_counter())
        if step == total - steps:
            profiler.start()
        elif step == total:
            profiler.stop()

    callbacks = Callbacks(log, float, list, list, lambda _: False, notes.append)
    settings = LoopSettings(total, steps, total + 1, total + 1, graph=graph)
    stream = feed(batches, 0, total, device)
    fit(state, objective, stream, constant, settings, callbacks, device, frame)
    recorded = graph and device.type == "cuda" and not notes
    way = "recorded" if recorded else "launched"
    graphs = "graph" if graph else "no-graph"
    profiler.export_chrome_trace(str(folder / f"trace-{model}-{graphs}.json.gz"))
    took = [(b - a) / steps for a, b in itertools.pairwise(times[: TIMED + 1])]
    row: dict[str, Any] = {"model": model, "way": way, "notes": notes, "seconds": took}
    row["step_us"] = 1e6 * statistics.median(took)
    return row | _what_ran(profiler.events() or [], steps, device.type == "cuda")


def _what_ran(events: Iterable[Any], steps: int, on_cuda: bool) -> dict[str, Any]:
    """Return what the profiler saw, per step: on CUDA its kernels, else the CPU's operations."""
    if not on_cuda:
        longest = _longest(((e.name, e.self_cpu_time_total) for e in events), steps)
        return {"busy_us": None, "kernels": None, "copies": None, "longest": longest}
    ran = [e for e in events if e.device_type == DeviceType.CUDA and not e.is_user_annotation]
    copies = [e for e in ran if e.name.startswith(("Memcpy", "Memset"))]
    busy, until = 0.0, float("-inf")
    for start, end in sorted((e.time_range.start, e.time_range.end) for e in ran):
        busy += max(0.0, end - max(start, until))  # what runs beside another counts once
        until = max(until, end)
    return {
        "busy_us": busy / steps,
        "kernels": (len(ran) - len(copies)) / steps,
        "copies": len(copies) / steps,
        "longest": _longest(((e.name, e.time_range.elapsed_us()) for e in ran), steps),
    }


def _longest(spans: Iterable[tuple[str, float]], steps: int) -> list[dict[str, Any]]:
    """Return the ten names that took longest in all, with microseconds and calls a step."""
    found: dict[str, list[float]] = defaultdict(list)
    for name, span in spans:
        found[name].append(span)
    names = sorted(found, key=lambda name: -sum(found[name]))[:10]
    return [
        {"name": name, "us": sum(found[name]) / steps, "count": len(found[name]) / steps}
        for name in names
    ]


if __name__ == "__main__":
    main()
