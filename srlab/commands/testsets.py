"""Building and judging the test sets of a command."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from srlab.config.build import build
from srlab.config.schema import Colour
from srlab.data.images import ImageSet
from srlab.data.pairs import Pair, read_pairs
from srlab.errors import UserError
from srlab.evaluation.score import score_images, smallest_side
from srlab.evaluation.tables import Result


def build_testsets(config: dict[str, Any]) -> list[ImageSet]:
    """Find the images of each test set of a checked config.

    Raises:
        UserError: There is none, or one of them is missing.
    """
    testsets = [build(node, f"testset.{key}") for key, node in config.items()]
    if not testsets:
        raise UserError("testset is empty: add testset=set5 or testset=[set5,set14]")
    names = [testset.name for testset in testsets]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UserError(f"two test sets are called {twice.pop()}: rename a folder")
    return testsets


def read_testsets(testsets: list[ImageSet], scale: int, colour: Colour) -> dict[str, list[Pair]]:
    """Decode and degrade the images of each test set, by its name."""
    side = smallest_side(scale)
    return {t.name: read_pairs(t, scale, colour.value, side) for t in testsets}


def _counted(name: str, images: list[Pair]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield the images of a test set and show on a terminal how far it is."""
    shown = sys.stderr.isatty()
    for number, pair in enumerate(images, 1):
        if shown:
            print(f"\r\033[K{name} {number}/{len(images)}", end="", file=sys.stderr, flush=True)
        yield pair.name, pair.lr, pair.hr
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def judge(
    upscale: Callable[[Tensor], Tensor],
    pairs: dict[str, list[Pair]],
    scale: int,
    colour: Colour,
    label: str,
    method: str | None,
) -> list[Result]:
    """Score an upscaler on every test set."""
    return [
        Result(
            label, method, name, scale, colour.value,
            score_images(upscale, _counted(name, images), scale),
        )
        for name, images in pairs.items()
    ]  # fmt: skip
