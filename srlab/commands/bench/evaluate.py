"""``srlab bench evaluate``: what judging a network costs, beside the network alone."""

import torch

from srlab.assembly.network import network_to_measure
from srlab.assembly.testsets import build_testsets, judge, read_testsets
from srlab.command_line.invocation import Invocation
from srlab.config.check import check
from srlab.config.plain import plain_settings
from srlab.config.schema import BenchEvaluateConfig
from srlab.imaging.files import to_tensor
from srlab.inference.tiles import device_of
from srlab.machine.device import choose_device, wait_for
from srlab.machine.facts import describe_device
from srlab.machine.memory import peak_on
from srlab.machine.shortage import enough_memory
from srlab.machine.threads import map_in_threads
from srlab.measuring.measurement import Figure, Measurement, begin_measuring, report
from srlab.measuring.timing import interleaved


def run(call: Invocation[BenchEvaluateConfig]) -> float:
    """Print what an evaluation costs, and return the ratio to the bare limit."""
    config = call.config
    begin_measuring(config.repeats, config.threads, config.output)
    network = network_to_measure(config, choose_device(config.device))
    check({"testset": config.testset})
    testsets = build_testsets(config.testset)
    scale, colour = network.scale, network.colour
    pairs = read_testsets(testsets, scale, colour)
    upscale = network.upscaler(config.tile, False)
    device = device_of(network.module, torch.empty(0))
    inputs = [to_tensor(p.lr).float() for images in pairs.values() for p in images]

    def bare() -> None:
        list(map_in_threads(upscale, inputs))
        wait_for(device)

    runs = {
        "bare limit": bare,
        "srlab evaluate": lambda: judge(upscale, pairs, scale, colour, network.label, None),
        "reading the test sets": lambda: read_testsets(testsets, scale, colour),
    }
    with enough_memory("tile"):
        seconds = interleaved(runs, config.repeats)
    notes = {"bare limit": "the network alone", "reading the test sets": "once, at the start"}
    figures = [Figure(name, times, notes.get(name, "")) for name, times in seconds.items()]
    network_alone, ours = figures[0].median, figures[1].median
    split = {"network": network_alone, "rounding and metrics": max(0.0, ours - network_alone)}
    names = " and ".join(f"{len(images)} pictures of {name}" for name, images in pairs.items())
    place = f"{describe_device(device)}, torch {torch.__version__}"
    title = f"evaluating {network.label} on {names}, on {place}"
    measurement = Measurement(title, "set", figures, split, peak_on(device), plain_settings(config))
    report(measurement, config.output, device)
    return measurement.ratio
