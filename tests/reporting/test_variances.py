"""Guards: what comparisons claim is seldom wrong, however far seeds scatter; power is gained."""

import runpy
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from common import for_all

from srlab.reporting.statistics.variances import moderated, spreads

SCRIPT = Path(__file__).parents[2] / "scripts/measure/comparison_errors.py"


@pytest.fixture(scope="module")
def simulation():
    """The functions of the script behind the table of docs/sweeps.md."""
    return runpy.run_path(str(SCRIPT))


def covered(seeds, images, of_seeds, of_images, rest, times=2000):
    """Which share of the 95 % intervals of two methods holds 0, which is the truth."""
    rng = np.random.default_rng(0)
    d = of_seeds * rng.normal(size=(times, seeds, 1)) + of_images * rng.normal(
        size=(times, 1, images)
    )
    d = d + rest * rng.normal(size=(times, seeds, images))
    found = spreads(np.stack([d, np.zeros_like(d)], axis=1))
    return (np.abs(found.difference) <= found.half_width(0.05)).mean()


def test_intervals_cover_for_new_seeds_and_new_images():
    def check(seeds, images, deviations):
        assert covered(seeds, images, *deviations) >= 0.935  # 3 deviations beneath 95 %

    seldom = [(5, 3, (0.1, 0.1, 1)), (5, 19, (1, 0, 0)), (3, 3, (0, 1, 0))]
    kinds = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0.3, 1, 0.1)]
    for_all([*product((2,), (3, 19), kinds), *seldom], check)


def test_intervals_are_no_wider_than_they_must_be():
    for deviations in ((1, 0, 0), (0, 1, 0)):
        assert covered(3, 5, *deviations) == pytest.approx(0.95, abs=0.015)


def test_equal_methods_are_seldom_told_apart_however_far_their_seeds_scatter(simulation):
    def check(methods, seeds, kind):
        rng = np.random.default_rng(0)
        found = simulation["errors"](rng, 1500, (methods, seeds, 5), kind, 0.0)["moderated"]
        limit = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)  # 3 deviations of chance
        claims = ("all pairs", "these images", "the best")
        assert max(found[claim] for claim in claims) <= limit, found
        assert found["covered"] >= 0.92

    kinds = ("equal", "one tenfold", "half tenfold", "Student's t, 3 df")
    for_all([(9, 2, "one tenfold"), *((m, 3, kind) for m in (4, 9) for kind in kinds)], check)


def test_one_pool_for_all_would_err_where_a_method_scatters_tenfold(simulation):
    found = simulation["errors"](np.random.default_rng(1), 500, (9, 3, 5), "one tenfold", 0.0)
    assert found["pooled"]["all pairs"] > 0.1


def test_a_family_of_few_would_err_where_one_of_them_scatters_far(simulation):
    found = simulation["errors"](np.random.default_rng(7), 1500, (9, 3, 5), "one tenfold", 0.0)
    assert found["moderated"]["baseline"] > 0.06  # which is why all pairs are one family


def test_nine_methods_and_three_seeds_have_power(simulation):
    rng = np.random.default_rng(2)
    scores = simulation["simulated"](rng, 200, (9, 3, 19), "equal", 0.05)
    scores[:, 0] += 0.1
    power = {
        rule: simulation["told_apart"](simulation["by_rule"](scores, rule))[:, 0].mean()
        for rule in ("own", "moderated")
    }
    assert power["own"] < 0.15
    assert power["moderated"] > 3 * power["own"]


def test_seeds_that_are_added_until_all_is_decided_do_not_make_errors_more_frequent(simulation):
    rng = np.random.default_rng(3)
    wrong, used = simulation["until"](rng, 1500, 2, "one tenfold", 0.001)
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert used > 9
    assert simulation["until"](rng, 500, 2, "one tenfold", 0.05)[0] > 0.1  # why not at 0.05


def test_two_methods_have_variances_of_their_own():
    scores = np.random.default_rng(4).normal(size=(2, 3, 5))
    found = spreads(scores)
    d = scores[0] - scores[1]
    assert found.of_seeds == pytest.approx([d.mean(1).var(ddof=1)])
    assert found.of_images == pytest.approx([d.mean(0).var(ddof=1)])
    assert found.df == [2]


def test_degrees_of_freedom_grow_where_methods_scatter_alike_and_only_there():
    rng = np.random.default_rng(5)
    one, other = np.triu_indices(9, 1)

    def df(scatter):
        by_seed = scatter[:, None] * rng.normal(size=(200, 9, 5))
        own = (by_seed[:, one] - by_seed[:, other]).var(-1, ddof=1)
        found, df = moderated(own, by_seed)
        assert (np.minimum(own, found) <= found).all()
        return np.median(df)

    assert df(np.ones(9)) > 14
    assert df(10.0 ** np.linspace(0, 1.5, 9)) < 7


def test_the_mean_squares_are_those_of_the_two_way_layout():
    d = np.random.default_rng(6).normal(size=(3, 4))
    found = spreads(np.stack([d, np.zeros_like(d)]))
    total = ((d - d.mean()) ** 2).sum()
    parts = (2 * 4 * found.of_seeds, 3 * 3 * found.of_images, 2 * 3 * found.rest)
    assert sum(parts) == pytest.approx(total)
