"""How far the difference of two methods may be off: its variances over seeds and over images.

Everything is computed for all pairs of methods at once, and for any number of sweeps before them,
so that a simulation runs the very code of a report.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma, stdtr, stdtrit

_LEAST = 1e-5  # of the median: a smaller variance counts as this one where logarithms are taken
_LEAST_P = 1e-300  # what lies beneath it is 0
_HALVINGS = 24  # of a span of log p that is a few units wide


@dataclass(frozen=True)
class Spreads:
    """The differences of pairs of methods, and what they vary by; arrays are ``(..., pairs)``.

    Args:
        difference: The first method's grand mean less the second's.
        of_seeds: Variance, from seed to seed, of the difference of the means over the images.
        df: Degrees of freedom of that.
        of_images: Variance, from image to image, of the difference of the means over the seeds.
        rest: Variance of what neither the seed nor the image accounts for.
        seeds: S, the number of seeds.
        images: n, the number of images.
    """

    difference: np.ndarray
    of_seeds: np.ndarray
    df: np.ndarray
    of_images: np.ndarray
    rest: np.ndarray
    seeds: int
    images: int

    def half_width(self, p: float | np.ndarray, new_images: bool = True) -> np.ndarray:
        """Return half the width of the intervals at level 1 - p.

        For the images at hand only the seeds vary, and the interval is Student's. For new seeds
        and new images each variance takes the t of its own:

            sqrt(t[df]^2 of_seeds / S + t[n - 1]^2 of_images / n)

        which covers at least the level whatever the variances (Banerjee, "Approximate Confidence
        Interval for Linear Functions of Means of k Populations when the Population Variances are
        not Equal", Sankhya 22, 1960), as the distribution function of chi-squared is concave at
        one degree of freedom. It counts ``rest`` twice, as the degrees of freedom of Satterthwaite
        (1946) for the estimate that does not cover as little as 88% at 2 seeds.
        """
        of_seeds, of_images, rest = (_reach(df, p, error) for df, error in self._errors())
        if not new_images:
            return of_seeds
        # Means of seeds and of images may agree by chance where the scores do not.
        return np.maximum(np.hypot(of_seeds, of_images), rest)

    def p_at(self, distance: np.ndarray, new_images: bool = True) -> np.ndarray:
        """Return the p at which the intervals, which narrow as p grows, are just so wide.

        Args:
            distance: Half widths, ``(..., pairs)``; p is 1 where they are not above 0.
            new_images: Which of the intervals.
        """
        distance = np.maximum(distance, 0)
        of_seeds, of_images, rest = (_tail(df, distance, error) for df, error in self._errors())
        if not new_images:
            return of_seeds
        # The interval is as wide as each of its parts, and at most sqrt(2) times the wider of two.
        low = np.maximum(np.maximum(of_seeds, of_images), rest)
        parts = (_tail(df, distance / np.sqrt(2), error) for df, error in self._errors()[:2])
        high = np.maximum(np.maximum(*parts), rest)
        certain = high < _LEAST_P
        low, high = (np.log(np.maximum(end, _LEAST_P)) for end in (low, high))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            wide = self.half_width(np.exp(middle)) > distance
            low, high = np.where(wide, middle, low), np.where(wide, high, middle)
        return np.where(certain, 0.0, np.exp((low + high) / 2))

    def _errors(self) -> list[tuple[float | np.ndarray, np.ndarray]]:
        """Return degrees of freedom and standard errors: over seeds, over images, and the rest."""
        seeds, images = self.seeds, self.images
        return [
            (self.df, np.sqrt(self.of_seeds / seeds)),
            (images - 1, np.sqrt(self.of_images / images)),
            ((seeds - 1) * (images - 1), np.sqrt(self.rest / (seeds * images))),
        ]


def _reach(df: float | np.ndarray, p: float | np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return Student's t at p times the standard error; 0 where that is 0, though t be infinite."""
    return np.asarray(np.where(error > 0, -stdtrit(df, np.asarray(p) / 2), 0.0) * error)


def _tail(df: float | np.ndarray, distance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the p at which Student's t times the standard error reaches a distance."""
    far = np.divide(distance, error, out=np.full(np.shape(distance), np.inf), where=error > 0)
    reached = np.where(error > 0, 2 * stdtr(df, -far), 0.0)
    return np.asarray(np.where(distance > 0, reached, 1.0))


def spreads(scores: np.ndarray) -> Spreads:
    """Return differences and variances of all pairs of methods, in ``numpy.triu_indices`` order.

    The differences of a pair follow ``d[s, i] = mu + A[s] + B[i] + E[s, i]``, all random and
    normal: the two-way crossed layout without replication (Searle, Casella and McCulloch, Variance
    Components, 1992). The variance over images is the pair's own: some pairs differ on some images
    only. Seeds are few, and their variance is ``moderated`` towards that of all methods.

    Args:
        scores: ``(..., M, S, n)``: M >= 2 methods, the same S >= 2 seeds and n >= 2 images.
    """
    *_, methods, seeds, images = scores.shape
    one, other = np.triu_indices(methods, 1)
    by_seed, by_image = scores.mean(-1), scores.mean(-2)
    means = by_seed.mean(-1)
    d_seed = by_seed[..., one, :] - by_seed[..., other, :]
    d_image = by_image[..., one, :] - by_image[..., other, :]
    difference = means[..., one] - means[..., other]
    left = scores - by_seed[..., None] - by_image[..., None, :] + means[..., None, None]
    rest = [((left[..., a, :, :] - left[..., b, :, :]) ** 2).sum((-1, -2))
            for a, b in zip(one, other, strict=True)]  # fmt: skip
    of_seeds, df = moderated(d_seed.var(-1, ddof=1), by_seed)
    return Spreads(
        difference, of_seeds, df, d_image.var(-1, ddof=1),
        np.stack(rest, -1) / ((seeds - 1) * (images - 1)), seeds, images,
    )  # fmt: skip


def moderated(own: np.ndarray, by_seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return variances over seeds drawn towards what all methods have in common, and their df.

    Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential Expression in
    Microarray Experiments", Stat. Appl. Genet. Mol. Biol. 3, 2004 (limma): with d degrees of
    freedom of their own, variances become ``(d own + d0 pool) / (d + d0)`` with d + d0 degrees of
    freedom, and d0 is what the spread of their logarithms says: none where methods differ much in
    how far their seeds scatter, many where they are alike. Limma has thousands of genes; here the
    variances are few and dependent, so that

    - the spread of the logarithms is divided by what it is short of as pairs share methods (by
      simulation, to 1%), and multiplied by 1 + 1 / d, for the uncertainty of d0;
    - the pool is the arithmetic mean, which one method with a large scatter raises;
    - d0 is at most (M - 2) d, what the other methods have, divided by 1 + 2 / d: a method whose
      seeds scatter ten times as far as the others' may still agree by chance.

    With two methods they are the variances of their own. Without these three, 13% of sweeps of
    nine equal methods and two seeds would find a difference where one of them scatters ten times
    as far; with them at most 5% do.

    Args:
        own: Variances over seeds of the differences of pairs, ``(..., pairs)``.
        by_seed: Mean scores, ``(..., M, S)``.
    """
    methods, seeds = by_seed.shape[-2:]
    d = seeds - 1
    if methods < 3:
        return own, np.full(own.shape, float(d))
    left = by_seed - by_seed.mean(-1, keepdims=True)
    left = left - left.mean(-2, keepdims=True)
    pool = 2 * (left**2).sum((-1, -2))[..., None] / ((methods - 1) * d)
    least = np.maximum(_LEAST * np.median(own, -1, keepdims=True), np.finfo(np.float64).tiny)
    spread = np.log(np.maximum(own, least)).var(-1, ddof=1, keepdims=True)
    spread = spread * (1 + 1 / d) / (1 - d / ((d + 1) * (methods + 1)))
    prior = np.minimum(_prior_df(spread - polygamma(1, d / 2)), (methods - 2) * d / (1 + 2 / d))
    df = d + prior
    return (d * own + prior * pool) / df, np.broadcast_to(df, own.shape)


def _prior_df(excess: np.ndarray) -> np.ndarray:
    """Return d0 with trigamma(d0 / 2) = excess, infinite where that is not above 0.

    By Newton's iteration, as the appendix of Smyth (2004) has it.
    """
    sought = np.where(excess > 0, np.maximum(excess, 1e-6), 1.0)
    y = 0.5 + 1 / sought
    for _ in range(20):
        trigamma = polygamma(1, y)
        y = y + trigamma * (1 - trigamma / sought) / polygamma(2, y)
    return np.where(excess > 0, 2 * y, np.inf)
