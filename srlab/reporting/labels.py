"""Where the names of points stand, so that each is whole and none hides another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_STEP = 5.0  # points from one place that is tried to the next
_GAP = 3.0  # points between a marker and its label
_CROSSED = 25.0  # how many points further away a label may stand to cross one line less
_HIDDEN = 1000.0  # the same for a marker or another label that it hides


@dataclass(frozen=True)
class Box:
    """A rectangle, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> bool:
        """Tell whether they share more than an edge."""
        return (
            self.left < other.right and other.left < self.right
            and self.bottom < other.top and other.bottom < self.top
        )  # fmt: skip


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    room: Box,
    lines: Sequence[Box],
    radius: float,
) -> tuple[list[Box], bool]:
    """Return a box for the label of each point, and whether none hides a marker or another.

    Args:
        points: Where the points are.
        sizes: Width and height of each label.
        room: What no label leaves.
        lines: What labels cross only where they would stand far off otherwise.
        radius: The half of a marker's width.
    """
    markers = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    boxes: dict[int, Box] = {}
    whole = True
    for k in sorted(range(len(points)), key=lambda k: (-points[k][1], points[k][0])):
        taken = [*markers, *boxes.values()]

        def price(candidate: tuple[float, Box], taken: Sequence[Box] = taken) -> float:
            away, box = candidate
            hidden = sum(box.meets(other) for other in taken)
            crossed = sum(box.meets(line) for line in lines)
            return away + _HIDDEN * hidden + _CROSSED * crossed

        best = min(_candidates(points[k], sizes[k], room, radius + _GAP), key=price)
        boxes[k] = best[1]
        whole = whole and price(best) < _HIDDEN
    return [boxes[k] for k in range(len(points))], whole


def _candidates(
    point: tuple[float, float], size: tuple[float, float], room: Box, gap: float
) -> Iterator[tuple[float, Box]]:
    """Yield boxes within the room, right of the point, left of it and about it, by distance."""
    (x, y), (width, height) = point, size
    rightmost = max(room.left, room.right - width)
    lefts = [(0.0, x + gap), (1.0, x - gap - width), (2.0, x - width / 2)]
    steps = int((room.top - room.bottom) / _STEP) + 1
    for step in range(steps):
        for sign in (1, -1) if step else (1,):
            bottom = y - height / 2 + sign * step * _STEP
            bottom = min(max(bottom, room.bottom), max(room.bottom, room.top - height))
            for preference, left in lefts:
                kept = min(max(left, room.left), rightmost)
                away = abs(kept - left) / 2 + step * _STEP + preference
                yield away, Box(kept, bottom, kept + width, bottom + height)
