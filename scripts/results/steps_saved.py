"""After how many steps a training that began with weights is where one from nothing ends.

usage: python scripts/results/steps_saved.py FROM_NOTHING STARTED

Both are folders of runs of several seeds, as scripts/results/transfers makes them, judged on the
validation set every few steps.
"""

import argparse
import json
from pathlib import Path
from statistics import mean


def main() -> None:
    """Print a line for each seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("from_nothing", type=Path)
    parser.add_argument("started", type=Path)
    options = parser.parse_args()
    rows = []
    for place in sorted(options.from_nothing.iterdir()):
        nothing, started = history(place), history(options.started / place.name)
        if not nothing or not started:
            print(f"{place.name}: one of the two is not finished")
            continue
        goal = nothing[-1]["validation"]
        reached = [entry["step"] for entry in started if entry["validation"] >= goal]
        first = reached[0] if reached else None
        rows.append((nothing[-1], started[-1], first))
        print(
            f"{place.name}: {goal:.2f} dB after {nothing[-1]['step']:,} steps from nothing, "
            f"{f'reached after {first:,}' if first else 'not reached'} by the one that was begun "
            f"with weights, which ends at {started[-1]['validation']:.2f} dB"
        )
    if not rows:
        return
    ends = [mean(row[i]["validation"] for row in rows) for i in (0, 1)]
    print(f"mean at the end: {ends[0]:.2f} dB from nothing, {ends[1]:.2f} dB begun with weights")


def history(place: Path) -> list[dict[str, float]]:
    """Return what was judged along a run; nothing if it is not finished."""
    if not (place / "results.csv").exists():
        return []
    found: list[dict[str, float]] = json.loads((place / "metrics.json").read_text())["history"]
    return found


if __name__ == "__main__":
    main()
