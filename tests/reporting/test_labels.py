"""Guards: labels of points stay in their room, and hide neither each other nor a point."""

from itertools import combinations

import numpy as np
from common import for_all

from srlab.reporting.labels import Box, place_labels

ROOM = Box(40, 30, 262, 213)


def test_labels_stay_in_the_room_and_apart_however_points_crowd():
    def check(seed, count, spread):
        random = np.random.default_rng(seed)
        middle = [random.uniform(45, 255), random.uniform(35, 205)]
        points = np.clip(random.normal(middle, spread, (count, 2)), (42, 32), (258, 210)).tolist()
        sizes = [(random.uniform(20, 118), random.choice([9.5, 19.0])) for _ in points]
        boxes, whole = place_labels(points, sizes, ROOM, [], 3.5)
        assert whole
        for box, size in zip(boxes, sizes, strict=True):
            assert np.allclose((box.right - box.left, box.top - box.bottom), size)
            assert ROOM.left <= box.left < box.right <= ROOM.right + 1e-9
            assert ROOM.bottom <= box.bottom < box.top <= ROOM.top + 1e-9
            assert not any(box.meets(Box(x - 3, y - 3, x + 3, y + 3)) for x, y in points)
        assert not any(one.meets(other) for one, other in combinations(boxes, 2))

    for_all([(s, n, w) for s in range(4) for n, w in ((2, 0), (9, 1), (9, 20), (9, 80))], check)


def test_too_many_labels_for_a_room_are_told():
    points, sizes = [(100.0, 100.0 + k) for k in range(40)], [(200.0, 9.5)] * 40
    assert not place_labels(points, sizes, ROOM, [], 3.5)[1]


def test_a_line_is_not_crossed_where_the_other_side_is_free():
    line = Box(104, 30, 106, 213)
    [box], _ = place_labels([(100.0, 100.0)], [(50.0, 9.5)], ROOM, [line], 3.5)
    assert not box.meets(line)
