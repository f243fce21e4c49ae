"""Simulate sweeps whose truth is known, and count how often comparisons err, or find a difference.

usage: python scripts/measure/comparison_errors.py [--sweeps 2000] [--only errors|power|until]

Three rules, on the same sweeps: `own`, the variance over seeds of each pair alone (what reports did
before); `pooled`, one variance for all methods; `moderated`, what reports do
(`srlab/reporting/statistics/variances.py`). Prints Markdown.

A method's scores are its mean, plus what its seed, the image and both bring, all in dB: 0.02 for a
seed and 0.02 for both together, of the order that the intervals of docs/findings.md leave for heads
that are alike; an image brings 0.05 or 0.15. Where one of these is to be the worst case, the others
are nothing.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from srlab.reporting.statistics.multiplicity import holm
from srlab.reporting.statistics.variances import Spreads, spreads
from srlab.reporting.tables import as_markdown

SEED, REST = 0.02, 0.02  # dB
LEVEL = 0.05
RULES = ("own", "pooled", "moderated")
CHUNK = 2_000_000  # numbers at once


def _tenfold(count: Callable[[int], int]) -> Callable[[np.random.Generator, int], np.ndarray]:
    return lambda _, methods: np.where(np.arange(methods) < count(methods), 10.0, 1.0)


SCATTERS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "equal": _tenfold(lambda _: 0),
    "one tenfold": _tenfold(lambda _: 1),
    "half tenfold": _tenfold(lambda methods: methods // 2),
    "one to tenfold": lambda rng, methods: 10 ** rng.uniform(0, 1, methods),
}
HEAVY = {"Student's t, 3 df": 3}
KINDS = (*SCATTERS, *HEAVY)


def simulated(
    rng: np.random.Generator,
    sweeps: int,
    shape: tuple[int, int, int],
    kind: str = "equal",
    image: float = 0.0,
    rest: float = REST,
) -> np.ndarray:
    """Return the scores ``(sweeps, M, S, n)`` of equal methods.

    Args:
        rng: Where chance comes from.
        sweeps: How many.
        shape: (M, S, n): methods, seeds, images.
        kind: One of ``KINDS``: how the scatter over seeds, of ``SEED``, differs by method.
        image: What an image brings to each method, in dB.
        rest: What seed and image together bring, in dB.
    """
    methods, seeds, images = shape
    drawn = rng.standard_t(HEAVY[kind], (sweeps, methods, seeds, 1)) if kind in HEAVY else (
        np.stack([SCATTERS[kind](rng, methods) for _ in range(sweeps)])[:, :, None, None]
        * rng.normal(size=(sweeps, methods, seeds, 1))
    )  # fmt: skip
    of_images = image * rng.normal(size=(sweeps, methods, 1, images))
    return SEED * drawn + of_images + rest * rng.normal(size=(sweeps, *shape))


def by_rule(scores: np.ndarray, rule: str) -> Spreads:
    """Return the differences and variances of all pairs as a rule has them."""
    found = spreads(scores)
    methods, seeds = scores.shape[-3:-1]
    if rule == "moderated" or methods == 2:
        return found
    by_seed = scores.mean(-1)
    one, other = np.triu_indices(methods, 1)
    own = (by_seed[..., one, :] - by_seed[..., other, :]).var(-1, ddof=1)
    if rule == "own":
        return replace(found, of_seeds=own, df=np.full(own.shape, seeds - 1.0))
    pool = own.mean(-1, keepdims=True)  # over all pairs: that of the two-way table
    df = (methods - 1.0) * (seeds - 1)
    return replace(found, of_seeds=np.broadcast_to(pool, own.shape), df=np.full(own.shape, df))


def in_chunks(sweeps: int, shape: tuple[int, int, int]) -> Iterator[int]:
    """Yield numbers of sweeps, in all ``sweeps``, that fit into memory."""
    most = max(1, CHUNK // int(np.prod(shape)))
    while sweeps > 0:
        yield min(sweeps, most)
        sweeps -= most


def errors(
    rng: np.random.Generator, sweeps: int, shape: tuple[int, int, int], kind: str, image: float
) -> dict[str, dict[str, float]]:
    """Return by rule in which share of sweeps of equal methods something is claimed that is not so.

    ``all pairs`` and ``these images``: any two are told apart, for new images and for these;
    ``baseline``: any is told from the first; ``the best``: the first is left out of what may be
    best; ``covered``: the 95 % interval of a pair holds 0, in the mean over the pairs, and ``worst
    pair``: of the pair where it does so least often. By Holm's first step, which alone counts where
    all are equal.
    """
    counts: dict[str, list[list[float]]] = {rule: [] for rule in RULES}
    sizes = []
    one, _ = np.triu_indices(shape[0], 1)
    for size in in_chunks(sweeps, shape):
        sizes.append(size)
        scores = simulated(rng, size, shape, kind, image, REST if image else 0.0)
        for rule in RULES:
            found = by_rule(scores, rule)
            far = np.abs(found.difference)
            with_first, others = found.half_width(LEVEL / (shape[0] - 1)), shape[0] - 1
            covered = (far <= found.half_width(LEVEL)).mean(0)
            counts[rule].append([
                (far > found.half_width(LEVEL / len(one))).any(-1).mean(),
                (far > found.half_width(LEVEL / len(one), new_images=False)).any(-1).mean(),
                (far > with_first)[:, :others].any(-1).mean(),
                (found.difference < -with_first)[:, :others].any(-1).mean(),
                covered.mean(), covered.min(),
            ])  # fmt: skip
    names = ("all pairs", "these images", "baseline", "the best", "covered", "worst pair")
    return {
        rule: dict(zip(names, np.average(of, axis=0, weights=sizes), strict=True))
        for rule, of in counts.items()
    }


def error_tables(sweeps: int) -> Iterator[str]:
    """Yield the table of errors: for each number of methods and seeds the worst of all settings."""
    rng = np.random.default_rng(0)
    rows = [("methods", "seeds", "rule", "all pairs", "these images", "baseline", "the best",
             "covered", "worst pair", "worst setting of all pairs")]  # fmt: skip
    for methods, seeds in product((2, 4, 9), (2, 3, 4, 5)):
        found = {
            (kind, images, image): errors(rng, sweeps, (methods, seeds, images), kind, image)
            for kind, images, image in product(KINDS, (5, 19, 200), (0.0, 0.05))
        }
        for rule in RULES:
            worst = max(found, key=lambda setting: found[setting][rule]["all pairs"])
            values = [found[worst][rule]["all pairs"]]
            alone = [of for (_, _, image), of in found.items() if not image]  # nothing on these
            values.append(max(of[rule]["these images"] for of in alone))
            for name in ("baseline", "the best"):
                values.append(max(of[rule][name] for of in found.values()))
            for name in ("covered", "worst pair"):
                values.append(min(of[rule][name] for of in found.values()))
            kind, images, image = worst
            where = f"{kind}, {images} images" + ("" if image else ", seeds alone vary")
            said = [f"{100 * value:.1f} %" for value in values]
            rows.append((str(methods), str(seeds), rule, *said, where))
    yield as_markdown(rows[0], rows[1:])


def told_apart(found: Spreads) -> np.ndarray:
    """Return which pairs are told apart, by Holm over all pairs: ``(sweeps, pairs)``."""
    p = found.p_at(np.abs(found.difference))
    return np.array([holm(list(of)) for of in p], dtype=float) <= LEVEL


def power_table(sweeps: int) -> Iterator[str]:
    """Yield how often a method 0.1 dB better is told from another, and equal ones are called equal.

    The other methods are equal but for two that lie 0.5 and 1 dB behind.
    """
    rng = np.random.default_rng(1)
    rows = [("methods", "seeds", "images", "an image brings", *(f"0.1 dB, {r}" for r in RULES),
             "equal within 0.05, own", "moderated")]  # fmt: skip
    for methods, seeds, (images, image) in product(
        (2, 4, 9), (3, 5), ((19, 0.05), (19, 0.15), (119, 0.15))
    ):
        shape, found, equal = (methods, seeds, images), dict.fromkeys(RULES, 0.0), [0.0, 0.0]
        for size in in_chunks(sweeps, shape):
            scores = simulated(rng, size, shape, "equal", image)
            if methods > 2:
                scores[:, -2:] -= np.array([0.5, 1.0])[:, None, None]
            alike = [by_rule(scores, rule) for rule in ("own", "moderated")]
            for k, of in enumerate(alike):
                inside = of.half_width(LEVEL / of.difference.shape[-1]) + np.abs(of.difference)
                equal[k] += size / sweeps * (inside[:, 0] <= 0.05).mean()
            scores[:, 0] += 0.1
            for rule in RULES:
                found[rule] += size / sweeps * told_apart(by_rule(scores, rule))[:, 0].mean()
        shares = [f"{100 * share:.0f} %" for share in (*found.values(), *equal)]
        rows.append((str(methods), str(seeds), str(images), f"{image} dB", *shares))
    yield as_markdown(rows[0], rows[1:])


def until_table(sweeps: int) -> Iterator[str]:
    """Yield how often equal methods are told apart where seeds are added `until` 0.05 dB.

    ``STOP`` in srlab/commands/sweep/until.py is what a difference must reach for no more seeds to
    be added; beside it 0.05, the level of the report.
    """
    rng = np.random.default_rng(2)
    rows = [("methods", "kind", "stop at p", "told apart at the end", "seeds in the mean")]
    for methods, kind, stop in product((2, 9), ("equal", "one tenfold"), (0.001, 0.05)):
        wrong, used = until(rng, sweeps, methods, kind, stop)
        rows.append((str(methods), kind, f"{stop}", f"{100 * wrong:.1f} %", f"{used:.1f}"))
    yield as_markdown(rows[0], rows[1:])


def until(
    rng: np.random.Generator, sweeps: int, methods: int, kind: str, stop: float, width: float = 0.05
) -> tuple[float, float]:
    """Return the share of sweeps of equal methods with an error, and the mean number of seeds.

    From 3 seeds to 10; images bring nothing, so that the seeds alone decide.
    """
    pairs = methods * (methods - 1) // 2
    scores = simulated(rng, sweeps, (methods, 10, 5), kind, rest=0.0)
    going, wrong, used = np.ones(sweeps, bool), np.zeros(sweeps, bool), np.zeros(sweeps)
    for seeds in range(3, 11):
        found = spreads(scores[:, :, :seeds])
        far, half = np.abs(found.difference), found.half_width(LEVEL / pairs)
        decided = (half <= width) | (far > found.half_width(stop / pairs))
        wrong[going], used[going] = (far > half).any(-1)[going], seeds
        going &= ~decided.all(-1)
    return float(wrong.mean()), float(used.mean())


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sweeps", type=int, default=2000)
    parser.add_argument("--only", choices=("errors", "power", "until"))
    given = parser.parse_args()
    tables = {"errors": error_tables, "power": power_table, "until": until_table}
    for name, table in tables.items():
        if given.only in (None, name):
            print(f"\n{name}:\n")
            for line in table(given.sweeps):
                print(line, flush=True)


if __name__ == "__main__":
    main()
