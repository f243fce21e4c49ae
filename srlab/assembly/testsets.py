"""Building and judging the test sets of a command, and the set that a training chooses by."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from filecmp import cmp
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from torch import Tensor

from srlab.assembly.training_checks import TRAINING_PARTS
from srlab.config.build import build
from srlab.config.check import check
from srlab.config.paths import config_dir
from srlab.config.schema import TrainConfig
from srlab.console.progress import show_progress
from srlab.data import validation
from srlab.data.images import ImageSet
from srlab.data.pairs import Pair, read_pairs
from srlab.degradations.degradation import Degradation
from srlab.errors import UserError
from srlab.evaluation.score import Score, scores, smallest_side
from srlab.evaluation.tables import Result
from srlab.imaging.sizes import whole
from srlab.inference.colour import by_bicubic, upscale_colour
from srlab.machine import ranks
from srlab.words import Colour, Protocol

_SOME = 4096  # bytes


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


def settle_valset(config: TrainConfig) -> None:
    """Write into a config which pictures its standard validation set is here: a run keeps them.

    BSDS500-test does not validate what is trained on it, nor what is reported on it.
    """
    node, place = config.valset, validation.__name__
    if node.get("_target_") != f"{place}.standard":
        return
    root = str(node.get("root"))
    taken = {config.data.get("name"), *(config.data.get("names") or ())}
    taken |= {node.get("name") for node in config.testset.values() if isinstance(node, dict)}
    if validation.is_there(root) and validation.USUAL not in taken:
        part = {"images": validation.IMAGES, "crop": validation.CROP}
        named = {"_target_": f"{place}.named", "name": validation.USUAL, "root": root}
        config.valset = named | part
    else:
        config.valset = {"_target_": f"{place}.photos", "crop": 2 * validation.CROP}


def build_valset(config: TrainConfig) -> ImageSet | None:
    """Find the images of the validation set of a checked config; None if it has none.

    Then the first test set chooses.

    Raises:
        UserError: They are missing.
    """
    return build(config.valset, "valset") if config.valset else None


def build_degradation(node: dict[str, Any]) -> Degradation | None:
    """Build what a checked node of a config degrades by; None: MATLAB's bicubic.

    What is not as its option has it is called otherwise, as scores say the name.
    """
    if not node:
        return None
    found: Degradation = build(node, "degradation")
    if not _is_as_shipped(node):
        found.name = f"{found.name}, changed ({found.mark})"
    return found


def _is_as_shipped(node: dict[str, Any]) -> bool:
    return any(node == option | {"variants": node.get("variants")} for option in _presets())


@lru_cache
def _presets() -> list[dict[str, Any]]:
    files = (config_dir() / "degradation").glob("*.yaml")
    contents = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in files)
    return [content for content in contents if content]


def read_testsets(
    testsets: list[ImageSet],
    scale: float,
    colour: Colour,
    protocol: Protocol = Protocol.matlab,
    degradation: Degradation | None = None,
) -> dict[str, list[Pair]]:
    """Decode and degrade the images of each test set, by its name."""
    side = smallest_side(scale)
    return {t.name: read_pairs(t, scale, colour, side, protocol, degradation) for t in testsets}


def warn_of_overlap(images: ImageSet, valset: ImageSet | None, testsets: list[ImageSet]) -> None:
    """Say where what is trained on, what is chosen by and what is reported on are the same."""
    for testset in testsets:
        tell_shared(images, testset, "are trained on, too: its scores say nothing of others")
    if valset is not None:
        seen = "are trained on, too: best.pt is chosen by what the network has seen"
        tell_shared(images, valset, seen)
        for testset in testsets:
            favour = "are validated on, too: what is chosen by them scores too well on them"
            tell_shared(valset, testset, favour)


def tell_shared(one: ImageSet, other: ImageSet, consequence: str) -> None:
    """Say how many pictures of a set another has, too, by content, and what follows."""
    if ranks.rank() > 0:
        return
    same = _shared(one, other)
    if same:
        print(
            f"srlab: {same} of the {len(other.paths)} pictures of {other.name} {consequence}",
            file=sys.stderr,
        )


def _shared(one: ImageSet, other: ImageSet) -> int:
    """Count the files of a set whose content another set has.

    Few are read whole: those of one size that are alike in their middle, too.
    """
    known = defaultdict(list)
    for path in one.paths:
        known[_middle_of(path)].append(path)
    return sum(
        any(cmp(path, twin, shallow=False) for twin in known.get(_middle_of(path), ()))
        for path in other.paths
    )


def _middle_of(path: Path) -> tuple[int, bytes]:
    """Return the size of a file, and some bytes of its middle."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size // 2)
        return size, file.read(_SOME)


def judge(
    upscale: Callable[[Tensor], Tensor],
    pairs: dict[str, list[Pair]],
    scale: float,
    colour: Colour,
    label: str,
    method: str | None,
    protocol: Protocol = Protocol.matlab,
    keep: Callable[[str, str, np.ndarray], None] | None = None,
) -> list[Result]:
    """Score an upscaler on every test set; several threads call it at a time.

    Where several ranks train, each judges a part of the images, and all of them know all scores.

    Args:
        upscale: Maps LR ``(1, C, H, W)`` in ``[0, 1]`` to SR ``(1, C, sH, sW)``.
        pairs: What ``read_testsets`` read for this scale, colour and protocol.
        scale: The factor s.
        colour: What the upscaler sees.
        label: What tables call it.
        method: Its name in a paper, or None.
        protocol: How it is judged.
        keep: Gets test set, image and the pixels that are judged.
    """
    if protocol == Protocol.basicsr:
        upscale = partial(
            upscale_colour, upscale=upscale, colour=colour, scale=whole(scale), chroma=by_bicubic
        )
    images = [(pair.name, pair.lr, pair.hr) for testset in pairs.values() for pair in testset]
    names = [name for name, testset in pairs.items() for _ in testset]
    share, sets = ranks.share(images), ranks.share(names)

    def keep_named(number: int, sr: np.ndarray) -> None:
        if keep is not None:
            keep(sets[number], share[number][0], sr)

    judged = scores(upscale, share, scale, protocol != Protocol.basicsr, keep_named)
    done = iter(ranks.gather(list(_counted(sets, judged)), len(images)))
    return [
        Result(
            label, method, name, scale, colour, list(islice(done, len(testset))), protocol,
            testset[0].made_by, testset[0].bits,
        )
        for name, testset in pairs.items()
    ]  # fmt: skip


def _counted(names: list[str], judged: Iterator[Score]) -> Iterator[Score]:
    """Pass on the scores and show on a terminal how far they are; ``names`` of their test sets."""
    for number, (name, score) in enumerate(zip(names, judged, strict=True), 1):
        if ranks.rank() == 0:
            show_progress(f"{name} {number}/{len(names)}")
        yield score
    if ranks.rank() == 0:
        show_progress("")


def find_testsets(config: TrainConfig, roots: tuple[str, ...]) -> list[ImageSet]:
    """Find the images of the test sets of a config that comes from a file.

    Raises:
        UserError: It names what is not trusted, or they are missing.
    """
    check({"testset": config.testset}, (*roots, *TRAINING_PARTS))
    return build_testsets(config.testset)
