"""Scores as a table for the console, as JSON and as CSV."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from srlab.console.tables import aligned
from srlab.degradations.degradation import BICUBIC
from srlab.evaluation.published import Published, published, published_for_other_data
from srlab.evaluation.score import Score, mean_score, protocol
from srlab.words import Protocol

_COLUMNS = (
    "testset", "scale", "method", "image", "psnr", "ssim", "ripple", "published", "protocol"
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """The scores of one method on one test set.

    Args:
        label: What the table calls the method.
        method: Its name in ``published``, or None.
        testset: Name of the test set.
        scale: The factor s.
        colour: What the network saw: ``y`` or ``rgb``.
        scores: One for each image.
        protocol: How they were computed.
        degradation: What made LR of HR.
        bits: Those of the pictures, 8 or 16.
    """

    label: str
    method: str | None
    testset: str
    scale: float
    colour: str
    scores: list[Score]
    protocol: Protocol = Protocol.matlab
    degradation: str = BICUBIC
    bits: int = 8


def console_table(results: Sequence[Result], per_image: bool) -> str:
    """Return an aligned table, and under it how the scores were computed.

    The mean of each result, after its images if ``per_image``.
    """
    rows = [("test set", "scale", "method", "image", "PSNR", "SSIM", "ripple", "published")]
    for result in results:
        for score, known in _lines(result)[0 if per_image else -1 :]:
            rows.append((result.testset, f"x{result.scale}", result.label, score.image,
                         f"{score.psnr:.2f}", f"{score.ssim:.4f}", f"{score.ripple:.2f}",
                         known))  # fmt: skip
    if not any(row[-1] for row in rows[1:]):
        rows = [(*row[:-1], "") for row in rows]
    protocols = dict.fromkeys(map(_protocol, results))
    return "\n".join([*aligned(rows), "", *(f"protocol: {text}" for text in protocols)])


def _protocol(result: Result) -> str:
    return protocol(result.scale, result.colour, result.protocol, result.degradation, result.bits)


def as_json(results: Sequence[Result]) -> str:
    """Return the results as JSON, each with its protocol and the published figure."""
    return json.dumps([_record(result) for result in results], indent=2) + "\n"


def as_csv(results: Sequence[Result]) -> str:
    """Return one CSV row for each image and for each mean."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for r in results:
        for s, known in _lines(r):
            writer.writerow([r.testset, r.scale, r.label, s.image, f"{s.psnr:.4f}",
                             f"{s.ssim:.6f}", f"{s.ripple:.4f}", known,
                             _protocol(r)])  # fmt: skip
    return text.getvalue()


def _lines(result: Result) -> list[tuple[Score, str]]:
    """Return each image's score, and last the mean with the published figure."""
    return [(score, "") for score in result.scores] + [(mean_score(result.scores), _known(result))]


def finite(value: float) -> float | None:
    """Return None for the PSNR of identical images: JSON has no infinity."""
    return value if math.isfinite(value) else None


def _figures(result: Result) -> list[Published]:
    """Return what the papers report, the figure that comes first in front; of bicubic LR alone."""
    scale = int(result.scale)
    if result.degradation != BICUBIC or result.scale != scale:
        return []
    asked = result.method, result.testset, scale
    return [f for f in (published(*asked), published_for_other_data(*asked)) if f is not None]


def _known(result: Result) -> str:
    return "; ".join(
        f"{f.psnr:.2f}{f' / {f.ssim:.4f}' if f.ssim is not None else ''} ({f.source})"
        for f in _figures(result)
    )


def _record(result: Result) -> dict[str, Any]:
    figures = [{"psnr": f.psnr, "ssim": f.ssim, "source": f.source} for f in _figures(result)]
    mean = mean_score(result.scores)
    return {
        "testset": result.testset,
        "scale": result.scale,
        "method": result.label,
        "protocol": _protocol(result),
        "psnr": finite(mean.psnr),
        "ssim": mean.ssim,
        "ripple": mean.ripple,
        "published": figures[0] if figures else None,
        **({"published_for_other_data": figures[1]} if len(figures) > 1 else {}),
        "images": [
            {"image": s.image, "psnr": finite(s.psnr), "ssim": s.ssim, "ripple": s.ripple}
            for s in result.scores
        ],
    }
