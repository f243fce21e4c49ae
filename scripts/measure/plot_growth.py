"""Draw how training and upscaling grow.

usage: python scripts/measure/plot_growth.py TRAINING UPSCALING PICTURE

TRAINING and UPSCALING are what training_growth.py and upscale_growth.py wrote by --json; PICTURE is
the PNG to write. Needs matplotlib.
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt


def main() -> None:
    """Write the picture."""
    training = json.loads(Path(sys.argv[1]).read_text())["rows"]
    upscaling = json.loads(Path(sys.argv[2]).read_text())
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    images = [row["images"] for row in training]
    by_scale = {"x3": upscaling[:3], "x4": upscaling[3:]}
    line(axes[0, 0], images, [1e3 * row["step"] for row in training])
    axes[0, 0].set(title="Training, a step", xlabel="images", ylabel="ms")
    line(axes[0, 1], images, [row["memory"] / 2**20 for row in training], "memory of its own")
    line(axes[0, 1], images, [row["pack"] / 2**20 for row in training], "pack, mapped")
    axes[0, 1].set(title="Training, memory", xlabel="images", ylabel="MiB")
    axes[0, 1].legend()
    for scale, rows in by_scale.items():
        pixels = [row["megapixels"] for row in rows]
        line(axes[1, 0], pixels, [row["seconds"] for row in rows], scale)
        line(axes[1, 1], pixels, [row["peak_mib"] for row in rows], scale)
    axes[1, 0].legend()
    axes[1, 1].legend()
    axes[1, 0].set(title="Upscaling, PNG to PNG", xlabel="megapixels made", ylabel="s")
    axes[1, 1].set(title="Upscaling, peak memory", xlabel="megapixels made", ylabel="MiB")
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        axis.set_xlim(left=0)
        axis.set_ylim(bottom=0, top=1.15 * axis.get_ylim()[1])
    figure.savefig(sys.argv[3], dpi=110)


def line(axis: plt.Axes, x: list[float], y: list[float], label: str | None = None) -> None:
    """Draw points, joined, each with its value."""
    (drawn,) = axis.plot(x, y, "o-", label=label)
    for place, value in zip(x, y, strict=True):
        text = f"{value:.2f}" if value < 10 else f"{value:,.0f}"
        axis.annotate(
            text, (place, value), textcoords="offset points", xytext=(0, 6), ha="center",
            fontsize=8, color=drawn.get_color(),
        )  # fmt: skip


if __name__ == "__main__":
    main()
