"""Print the scores of runs as a Markdown table: python scripts/results/scores.py RUN [RUN ...]."""

import json
import sys
from pathlib import Path


def main(folders: list[Path]) -> None:
    """Print one row for each run, one column for each of its test sets."""
    tables = {folder.name: json.loads((folder / "results.json").read_text()) for folder in folders}
    testsets = list(dict.fromkeys(r["testset"] for rows in tables.values() for r in rows))
    print(f"| run | {' | '.join(testsets)} |")
    print("|---" * (len(testsets) + 1) + "|")
    for name, results in tables.items():
        ours = {r["testset"]: r for r in results if r["method"] != "bicubic"}
        cells = [
            f"{ours[t]['psnr']:.2f} / {ours[t]['ssim']:.4f}" if t in ours else "" for t in testsets
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python scripts/results/scores.py RUN [RUN ...]")
    main([Path(argument) for argument in sys.argv[1:]])
