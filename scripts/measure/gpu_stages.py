"""The stages of ``gpu.py``: what is run in each, and what is said of it."""

import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from gpu_commands import ROOT, Tour, at_once, command, job, many, read, write
from gpu_data import (
    BY_ITSELF,
    a_picture,
    configs,
    networks,
    pixels,
    small_pictures,
    testing,
    training,
)

HERE = Path(__file__).resolve().parent
HALF = ("fp16", "bf16")
RGB = {"edsr_baseline": "colour=rgb"}  # the others see luma

FULL = SimpleNamespace(
    first="trainer.steps=200 trainer.eval_every=200", batch="", deep="",
    short="trainer.steps=10 trainer.eval_every=10", networks=None, heads=None,
    bench="seconds=0.2 repeats=7", tried=("edsr_baseline", "espcn"), often="repeats=7",
    sizes={3: "width=640 height=360", 4: "width=480 height=270"},
    clock={"clock": (2000, 2000), "clock-curve": (2000, 250), "clock-long": (20_000, 20_000)},
    seeds=("--seeds", 8), crowd=(1, 4, 8), steps=2000,
)  # fmt: skip
TINY = SimpleNamespace(
    first="trainer.steps=4 trainer.eval_every=4",
    batch="trainer.batch_size=2 trainer.patch_size=8", deep="model.blocks=1",
    short="trainer.steps=2 trainer.eval_every=2",
    networks=("espcn", "fsrcnn"), heads=("staged",),
    bench="seconds=0.02 repeats=2 batch_size=2 patch_size=8", tried=("espcn",), often="repeats=2",
    sizes={3: "width=48 height=27", 4: "width=36 height=20"},
    clock={"clock": (8, 4)},
    seeds=("--seeds", 1, "--repeats", 1, "--batch", 2), crowd=(2,), steps=8,
)  # fmt: skip


def smoke(tour: Tour, size: SimpleNamespace) -> None:
    """The machine and its ceilings; a short training, and how both devices judge and use it."""
    device, trained = tour.options.device, tour.scratch / "smoke"
    arguments = [HERE / "gpu_probe.py", "--device", device, "--out", tour.results]
    command(tour, "probe", [*arguments, *["--tiny"] * tour.options.tiny], most=45, show="^:: ")
    line = f"train device={device} {size.first} {size.batch}"
    jobs = [job("smoke-train", line, *training(tour), *testing(tour), run_dir=trained)]
    for side, where in (("cpu", "cpu"), ("device", device)):
        name = f"evaluate-{side}"
        jobs.append(job(
            name, f"evaluate device={where}", *testing(tour), checkpoint=trained,
            output=tour.results / name,
        ))  # fmt: skip
    kinds = ["fp32", *HALF] if device == "cuda" else ["fp32"]
    for side, where, kind in [("cpu", "cpu", "fp32"), *(("device", device, k) for k in kinds)]:
        name = f"picture-{side}-{kind}"
        jobs.append(job(
            name, f"upscale device={where} precision={kind}", checkpoint=trained,
            input=a_picture(tour), output=tour.results / f"{name}.png",
        ))  # fmt: skip
    many(tour, "smoke", jobs)

    found: dict[str, Any] = {}
    both = [read(tour.results, f"evaluate-{side}/results") for side in ("cpu", "device")]
    if all(both):
        here, there = (results[0]["psnr"] for results in both)
        found = {"testset": both[0][0]["testset"], "cpu": here, "device": there}
        found["difference"] = abs(there - here)
        tour.say(
            f"{found['testset']}: {there:.6f} dB on {device}, {here:.6f} dB on the CPU, "
            f"{found['difference']:.1e} dB apart"
        )
    for kind in kinds:
        paths = [tour.results / f"picture-{k}.png" for k in (f"device-{kind}", "cpu-fp32")]
        if all(path.exists() for path in paths):
            apart = np.abs(pixels(paths[0]) - pixels(paths[1]))
            most, share = int(apart.max()), float((apart > 0).mean())
            found |= {f"levels_{kind}": most, f"share_{kind}": share}
            tour.say(
                f"a picture upscaled on {device} in {kind}: at most {most} levels of 255 from the "
                f"CPU's in fp32, {100 * share:.3f} % of the values differ"
            )
    write(tour, "smoke", found)


def models(tour: Tour, size: SimpleNamespace) -> None:
    """Which networks, upsamplers and number types train, and which are recorded."""
    kinds = [*HALF, "tf32"] if tour.options.device == "cuda" else []
    chosen = {name: f"model={name} {RGB.get(name, '')}" for name in size.networks or networks()}
    lines = {f"network {n}": line for n, line in chosen.items() if n not in BY_ITSELF}
    heads = size.heads or [path.stem for path in configs("upsampler")]
    lines |= {f"upsampler {name}": f"model=espcn upsampler={name}" for name in heads}
    lines |= {f"espcn in {kind}": f"model=espcn trainer.precision={kind}" for kind in kinds}
    # Last, for they take longest.
    lines |= {f"network {n}": line for n, line in chosen.items() if n in BY_ITSELF}
    names = {what: f"record-{what.replace(' ', '-')}" for what in lines}
    small = small_pictures(tour)
    jobs = [
        job(
            names[what], f"train device={tour.options.device} {line} {size.short} {size.batch}",
            *small["data"], *small["testset"], run_dir=tour.scratch / names[what],
        )
        for what, line in lines.items()
    ]  # fmt: skip
    records = many(tour, "models", jobs)
    found = []
    for what, name in names.items():
        record, text = records.get(name), tour.results / f"{name}.txt"
        trained = record is not None and record["error"] is None
        said = text.read_text().partition("no CUDA graph")[2] if text.exists() else ""
        row: dict[str, Any] = {"what": what, "trained": trained}
        row["recorded"] = trained and not said and record["replays"] > 0
        row["reason"] = said.partition(": ")[2].partition("\n")[0]
        found.append(row)
    write(tour, "models", found)
    tour.say(f"{sum(row['trained'] for row in found)} of {len(found)} trained")
    recorded = [row["what"] for row in found if row["recorded"]]
    tour.say(f"{len(recorded)} replayed a CUDA graph: {', '.join(recorded) or 'none'}")
    for row in found:
        if row["reason"]:
            tour.say(f"no CUDA graph: {row['what']}: {row['reason']}")


def checks(tour: Tour, size: SimpleNamespace, which: str = "not compile") -> None:
    """The tests that need CUDA, without those that compile."""
    if importlib.util.find_spec("pytest") is None:
        tour.say("not run: pytest is not installed")
        return
    arguments = ["-m", "pytest", ROOT / "tests/test_gpu.py", "-k", which, "-v", "-rfE"]
    arguments += ["-p", "no:cacheprovider", "--durations=10", "-o", "faulthandler_timeout=60"]
    show = r"^(FAILED|ERROR) |::.* (FAILED|ERROR) |^=* ?\d+ (passed|failed|skipped|error)"
    command(tour, "compiled" if which == "compile" else "tests", arguments, show=show)


def compiled(tour: Tour, size: SimpleNamespace) -> None:
    """The tests that compile, which takes long."""
    checks(tour, size, "compile")


def train(tour: Tour, size: SimpleNamespace) -> None:
    """What a training step takes beside the bare one."""
    cuda = tour.options.device == "cuda"
    lines = {f"{model}-fp32": "precision=fp32" for model in ("espcn", "edsr_baseline", "fsrcnn")}
    if cuda:
        for kind in ("bf16", "tf32"):
            for model in ("edsr_baseline", "espcn", "fsrcnn"):
                lines[f"{model}-{kind}"] = f"precision={kind}"
    lines["espcn-launched"] = "graph=false"
    for kind in ("fp32", "tf32") if cuda else ("fp32",):
        for model in size.tried:
            lines[f"{model}-{kind}-tried"] = f"precision={kind}"
    jobs = []
    for name, more in lines.items():
        model = name.partition("-")[0]
        deep = size.deep if model == "edsr_baseline" else ""
        line = f"bench train model={model} {RGB.get(model, '')} {deep} {more} {size.bench}"
        jobs.append(job(
            f"train-{name}", f"{line} device={tour.options.device}", *training(tour),
            benchmark=name.endswith("-tried"), output=tour.results / f"train-{name}.json",
        ))  # fmt: skip
    many(tour, "train", jobs)
    tell_measurements(tour, jobs)


def clock(tour: Tour, size: SimpleNamespace) -> None:
    """Seconds of the whole command that trains ESPCN x3, with a cache that is empty."""
    for name, (steps, every) in size.clock.items():
        folder, start = tour.scratch / name, time.monotonic()
        line = f"train scale=3 device={tour.options.device} trainer.batch_size=32"
        line += f" trainer.patch_size=16 {size.batch} trainer.steps={steps}"
        whole = job(
            name, f"{line} trainer.eval_every={every}", *training(tour), *testing(tour),
            run_dir=folder,
        )["arguments"]  # fmt: skip
        cache = str(tour.scratch / f"{name}-cache")
        if not command(tour, name, ["-m", "srlab", *whole], SRLAB_CACHE=cache):
            continue
        found = {"seconds": time.monotonic() - start, "steps": steps, "data": training(tour)[0]}
        judged = json.loads((folder / "results.json").read_text())[1]
        inside = json.loads((folder / "metrics.json").read_text())
        found |= {"testset": judged["testset"], "psnr": judged["psnr"]}
        found |= {"training_seconds": inside["seconds"]}
        found["curve"] = [(row["step"], row["psnr"]) for row in inside["history"]]
        write(tour, name, found)
        tour.say(
            f"ESPCN x3, {found['data']}, {steps:,} steps: {found['seconds']:.1f} s for the whole "
            f"command, {inside['seconds']:.1f} s of them training; {judged['psnr']:.3f} dB on "
            f"{judged['testset']}"
        )
        if len(found["curve"]) > 1:
            tour.say("  " + ", ".join(f"{step}: {psnr:.3f} dB" for step, psnr in found["curve"]))


def upscale(tour: Tour, size: SimpleNamespace) -> None:
    """Frames a second, of pictures and of videos."""
    device = tour.options.device
    jobs = []
    for kind in ("fp16", "bf16", "fp32") if device == "cuda" else ("fp32",):
        for scale, side in size.sizes.items():
            for model in ("espcn", "fsrcnn"):
                name = f"upscale-{model}-x{scale}-{kind}"
                line = f"bench upscale model={model} scale={scale} {side} device={device}"
                output = tour.results / f"{name}.json"
                jobs.append(job(name, f"{line} precision={kind} {size.often}", output=output))
    line = f"bench evaluate model=espcn scale=3 device={device} {size.often}"
    output = tour.results / "evaluate-espcn.json"
    jobs.append(job("evaluate-espcn", line, *testing(tour), output=output))
    many(tour, "upscale", jobs)
    tell_measurements(tour, jobs)
    if tour.options.tiny or importlib.util.find_spec("av") is None:
        why = "are too much for tiny settings" if tour.options.tiny else "need av, which is missing"
        tour.say(f"videos were not measured: they {why}")
        return
    arguments = [ROOT / "scripts/measure/video_speed.py", "--device", device, "--repeats", 2]
    arguments += ["--json", tour.results / "video.json"]
    command(tour, "video", arguments, show=r"^\||^peak|^torch")


def profile(tour: Tour, size: SimpleNamespace) -> None:
    """Where the time of a training step goes."""
    arguments = [HERE / "gpu_profile.py", "--device", tour.options.device, "--out", tour.results]
    arguments += [*["--tiny"] * tour.options.tiny, "--data", *training(tour)]
    command(tour, "profile", arguments, show="^:: |^   ")


def seeds(tour: Tour, size: SimpleNamespace) -> None:
    """Several trainings: stacked in one network, and as processes side by side."""
    device = tour.options.device
    arguments = [ROOT / "scripts/measure/time_seeds.py", "--device", device, *size.seeds]
    command(tour, "seeds", [*arguments, "--json", tour.results / "seeds.json"], show=r"^\|")
    found = []
    for count in size.crowd:
        line = f"train device={device} {size.batch} trainer.steps={size.steps}"
        line += f" trainer.eval_every={size.steps} trainer.threads=1"
        commands = {}
        for seed in range(count):
            name = f"crowd-{count}-{seed}"
            whole = job(
                name, f"{line} seed={seed}", *training(tour), *testing(tour),
                run_dir=tour.scratch / name,
            )  # fmt: skip
            commands[name] = ["-m", "srlab", *whole["arguments"]]
        start = time.monotonic()
        good = at_once(tour, commands)
        took = time.monotonic() - start
        found.append(
            {"at_once": count, "finished": len(good), "seconds": took, "steps": size.steps}
        )
        write(tour, "crowd", found)
        if len(good) == count:
            tour.say(f"{count} trainings of {size.steps:,} steps at a time: {took:.1f} s in all")


# By worth: the stage, the seconds that it may take, and the least with which it is begun.
Stage = Callable[[Tour, SimpleNamespace], None]
STAGES: dict[str, tuple[Stage, float, float]] = {
    "smoke": (smoke, 100, 20), "models": (models, 90, 20), "tests": (checks, 100, 20),
    "train": (train, 140, 25), "clock": (clock, 75, 20), "upscale": (upscale, 110, 25),
    "profile": (profile, 50, 20), "seeds": (seeds, 80, 20), "compiled": (compiled, 120, 30),
}  # fmt: skip


def tell_measurements(tour: Tour, jobs: list[dict[str, Any]]) -> None:
    """Say what ``srlab bench`` has written for each job: times of steps, or rates of the rest."""
    for entry in jobs:
        found = read(tour.results, entry["name"])
        if found is None:
            continue
        unit, note = found["unit"], found["figures"][0]["note"]
        parts = []
        for figure in found["figures"]:
            median = statistics.median(figure["seconds"])
            shown = f"{1e3 * median:.4f}" if unit == "step" else f"{1 / median:.1f}"
            parts.append(f"{figure['name']} {shown}")
        what = "ms a step" if unit == "step" else f"{unit}s a second"
        cuda = tour.options.device == "cuda"
        tried = ", cuDNN trying its algorithms" if cuda and entry["benchmark"] else ""
        tour.say(
            f"{entry['name']}{tried}: {found['ratio']:.3f} of the bare limit ({note}); "
            f"{what}: {', '.join(parts)}"
        )
