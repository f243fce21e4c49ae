"""Prove and measure all of srlab on a CUDA machine, in one call and within nine minutes.

usage: SRLAB_DATA=FOLDER python scripts/measure/gpu.py [--out FOLDER] [--stages smoke,train,...]

What matters most comes first, each stage has its time, and what is found is kept as it is found:
FOLDER/summary.txt, which ends with the goals and what was reached of them, and FOLDER/results.tgz
with the figures as JSON and what every command printed. Needs torch, torchvision and srlab's
requirements; srlab itself need not be installed. T91 and Set5 are used where SRLAB_DATA has them,
else photographs that scikit-image bundles. `--device cpu --tiny` shows in two minutes that it runs.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from gpu_commands import ROOT, NoCuda, Tour, read, write
from gpu_data import BY_ITSELF
from gpu_stages import FULL, STAGES, TINY

SCORE = 32.4  # dB on Set5 at x3, which reproductions of ESPCN reach; the paper has 32.55


def main() -> int:
    """Run the stages that are asked for; return 1 if one failed or was cut off, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    out = Path(os.environ.get("OUT") or "runs/gpu")
    parser.add_argument("--out", type=Path, default=out, help="folder, empty or not there")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--stages", default=",".join(STAGES), help="in this order: %(default)s")
    parser.add_argument("--budget", type=float, default=555, help="seconds (%(default)s)")
    parser.add_argument("--slow", type=float, default=1, help="factor on the time of each stage")
    parser.add_argument("--tiny", action="store_true", help="small settings, to see that it runs")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        from gpu_child import child  # which loads torch

        return child(options.child, options.out, options.device, options.slow)
    stages = options.stages.split(",")
    if unknown := [name for name in stages if name not in STAGES]:
        parser.error(f"no such stage: {', '.join(unknown)}; there are {', '.join(STAGES)}")
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        print(f"{options.out} is not an empty folder: name another one", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # by way of finally
    with tempfile.TemporaryDirectory(prefix="srlab-gpu-") as place:
        results, scratch = Path(place, "results"), Path(place, "scratch")
        results.mkdir()
        scratch.mkdir()
        tour = Tour(options, results, scratch, time.monotonic() + options.budget)
        write(tour, "call", {"commit": commit(), "arguments": sys.argv[1:]})
        ended = "stopped before its end"
        try:
            for name in stages:
                run_stage(tour, name)
                keep(tour)
            ended = f"done; {len(tour.bad) or 'nothing'} failed or was cut off"
        except NoCuda as reason:
            print(reason, file=sys.stderr)
            ended = ""
            return 2
        finally:
            if ended:
                tour.say(f"[{time.monotonic() - tour.began:.0f} s] {ended}")
                keep(tour)
        for line in brief(results, judged(tour)):
            tour.say(line)
        tour.say(f"written: {options.out}/summary.txt and results.tgz")
    return 1 if tour.bad else 0


def run_stage(tour: Tour, name: str) -> None:
    """Run a stage within its time and what is left of the budget; what it raises is told."""
    stage, most, least = STAGES[name]
    now = time.monotonic()
    left, least = max(0.0, tour.end - now), least * tour.options.slow
    clock = f"[{now - tour.began:.0f} s]"
    if left < least:
        tour.say(f"{clock} {name} skipped: it wants {least:.0f} s at least, {left:.0f} are left")
        return
    seconds = min(left, most * tour.options.slow)
    tour.stage_end = now + seconds
    tour.say(f"{clock} {name}, at most {seconds:.0f} s")
    try:
        stage(tour, TINY if tour.options.tiny else FULL)
    except NoCuda:
        raise
    except Exception as error:
        (tour.results / f"{name}-fault.txt").write_text(traceback.format_exc())
        tour.fail(f"{name}: {type(error).__name__}: {error}")


def keep(tour: Tour) -> None:
    """Write the summary and the archive as they are now, under another name first."""
    call, machine = read(tour.results, "call"), read(tour.results, "machine") or {}
    head = [f"srlab {call['commit']}, {' '.join(call['arguments'])}".rstrip(", ")]
    if machine:
        head.append(
            f"{machine['card'] or 'no card'}, {machine['processors']} processors, "
            f"Python {machine['python']}, torch {machine['torch']}, CUDA {machine['cuda']}, "
            f"cuDNN {machine['cudnn']}"
        )
    if tour.options.tiny:
        head.append("tiny settings: that it runs is what this shows, its times say nothing")
    lines = [*head, "", *tour.lines, "", *brief(tour.results, judged(tour))]
    (tour.results / "summary.txt").write_text("\n".join(lines) + "\n")
    out = tour.options.out
    shutil.copy(tour.results / "summary.txt", out / ".summary.part")
    (out / ".summary.part").replace(out / "summary.txt")
    with tarfile.open(out / ".results.part", "w:gz") as archive:
        archive.add(tour.results, "results")
    (out / ".results.part").replace(out / "results.tgz")


def judged(tour: Tour) -> bool:
    """Tell whether the goals can be judged: they are about CUDA and full settings."""
    return tour.options.device == "cuda" and not tour.options.tiny


def commit() -> str:
    """Return the commit of this checkout; a copy without ``.git`` may bring it in a file."""
    try:
        if (ROOT / ".git").exists():
            line = ["git", "describe", "--always", "--dirty"]
            return subprocess.run(
                line, cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout.strip()
        return (ROOT / ".gpu" / "COMMIT").read_text().strip()
    except (OSError, subprocess.CalledProcessError):
        return "of an unknown commit"


def brief(results: Path, judge: bool) -> list[str]:
    """Return the table of the goals: what was measured of each, and whether it was reached.

    Args:
        results: Folder of the figures.
        judge: Whether they are figures by which the goals can be judged.
    """
    found = (
        {path.stem: read(results, path.stem) for path in results.glob("*.json")} if judge else {}
    )
    rows = [
        ("all networks record", *_recorded(found.get("models", []))),
        ("score on CUDA within 1e-4 dB of the CPU's", *_apart(found.get("smoke"))),
        ("step of ESPCN at 0.95 of the recorded bare one", *_step(found.get("train-espcn-fp32"))),
        (f"T91 to {SCORE} dB within 20 s, whole command", *_clock(found)),
    ]
    for scale in (3, 4):
        rate = _rate(found.get(f"upscale-espcn-x{scale}-fp16"))
        rows.append((f"ESPCN x{scale} to 1080p in fp16 above 1,000 a second", *rate))
    shown = [("in brief: goal", "measured", "reached")]
    for goal, measured, reached in rows:
        verdict = "not measured" if reached is None else "yes" if reached else "no"
        shown.append((goal, measured, verdict))
    widths = [max(len(row[k]) for row in shown) for k in range(2)]
    return [f"{g:<{widths[0]}} | {m:<{widths[1]}} | {reached}" for g, m, reached in shown]


Verdict = tuple[str, bool | None]  # what was measured, and whether the goal is reached
NOTHING: Verdict = ("not measured", None)


def _recorded(found: list[dict[str, Any]]) -> Verdict:
    """Judge the networks that have a step to record."""
    rows = [row for row in found if row["what"].startswith("network ")]
    rows = [row for row in rows if row["what"].removeprefix("network ") not in BY_ITSELF]
    if not rows:
        return NOTHING
    count = sum(row["recorded"] for row in rows)
    return f"{count} of {len(rows)} that learn by gradients", count == len(rows)


def _apart(found: dict[str, Any] | None) -> Verdict:
    """Judge the score on CUDA against that on the CPU."""
    if not found or "difference" not in found:
        return NOTHING
    return f"{found['difference']:.1e} dB on {found['testset']}", found["difference"] <= 1e-4


def _step(found: dict[str, Any] | None) -> Verdict:
    """Judge the step of ESPCN; the bare limit is the quickest bare step, recorded or not."""
    if found is None:
        return NOTHING
    note, ratio = found["figures"][0]["note"], found["ratio"]
    return f"{ratio:.3f} of the bare step ({note})", ratio >= 0.95 if "graph" in note else None


def _clock(found: dict[str, Any]) -> Verdict:
    """Judge the quickest command that reached the score, or else the best score."""
    runs = [found[name] for name in ("clock", "clock-curve", "clock-long") if name in found]
    runs = [run for run in runs if run["data"] == "data=t91" and run["testset"] == "Set5"]
    if not runs:
        return NOTHING
    there = [run for run in runs if run["psnr"] >= SCORE]
    best = min(there, key=lambda r: r["seconds"]) if there else max(runs, key=lambda r: r["psnr"])
    measured = f"{best['psnr']:.3f} dB after {best['steps']:,} steps, {best['seconds']:.1f} s"
    return measured, bool(there) and best["seconds"] <= 20


def _rate(found: dict[str, Any] | None) -> Verdict:
    """Judge how many pictures a second the network makes, as srlab runs it."""
    if found is None:
        return NOTHING
    figure = next(f for f in found["figures"] if f["name"].startswith("srlab, the network"))
    rate = 1 / statistics.median(figure["seconds"])
    return f"{rate:,.0f} a second ({figure['name']})", rate > 1000


if __name__ == "__main__":
    sys.exit(main())
