"""Print what the sweeps of docs/findings.md say of each claim.

usage: python scripts/results/claims.py FOLDER

FOLDER is that of scripts/results/findings; sweeps that are not there are left out. Each claim is a
comparison or two of one sweep by the rules of its report: over the seeds that all its choices have,
their variances moderated towards what they have in common; the interval is at 95 % by itself, for
new seeds and new images. p is by Holm over all claims, measured or not, so that the chance of any
wrong "better" on the page is at most 5 %; so is that of any wrong "equal": within 0.05 dB, or
within 0.1 grey levels of ripple, a third of what rounding to 8 bits does to a picture (1 / sqrt(12)
of a level, rms). What is undecided comes with what would decide it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from srlab.commands.report.decided import verdict, what_it_takes, with_sign
from srlab.commands.report.results import Results, gather, ranked
from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.reporting.statistics import Comparison, Family, Needs, holm, needed
from srlab.runs.sweep_plan import read_sweep

_EQUAL = {"psnr": 0.05, "ripple": 0.1}  # dB; grey levels of 255
_UNIT = {"psnr": "dB", "ripple": "grey levels"}
_LEVEL = 0.05  # of p

# Claim, sweep, the choice that is to be better (of ripple: lower), the other, metric.
_CLAIMS = (
    ("1", "kernels", "resize_conv", "deconv kernel_size=9", "ripple"),
    ("1", "kernels", "deconv kernel_size=9", "deconv kernel_size=8", "ripple"),
    ("1", "kernels", "deconv kernel_size=6", "deconv kernel_size=7", "ripple"),
    ("2", "upsamplers", "deconv", "resize_conv", "psnr"),
    ("3", "upsamplers", "pixel_shuffle", "deconv", "psnr"),
    ("4", "frozen", "frozen=False", "frozen=True", "psnr"),
    ("5", "placement", "espcn_l", "srcnn", "psnr"),
    ("5", "placement_small", "espcn", "srcnn_s", "psnr"),
    ("6", "initialisations", "icnr", "default", "ripple"),
    ("6", "initialisations", "icnr", "default", "psnr"),
    ("7", "tv", "tv_weight=0", "tv_weight=0.01", "psnr"),
    ("7", "tv", "tv_weight=0.01", "tv_weight=0", "ripple"),
    ("8", "decoders", "unpool", "nearest", "psnr"),
    ("8", "decoders", "unpool", "bilinear", "psnr"),
    ("8", "decoders", "pixel_shuffle", "unpool", "psnr"),
    ("which", "upsamplers", "pixel_shuffle", "boxed", "psnr"),
)


@dataclass(frozen=True)
class Claimed:
    """A comparison of the page: the claim, what is compared by what, and what was found."""

    claim: str
    one: str
    other: str
    metric: str
    found: Comparison


def main() -> None:
    """Read the sweeps and print."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder, results = Path(sys.argv[1]), dict[str, Results]()
    claimed, left_out = [], []
    for claim, sweep, one, other, metric in _CLAIMS:
        try:
            if sweep not in results:
                results[sweep] = gather(folder / sweep, read_sweep(folder / sweep))
            comparison = ranked(results[sweep], metric).comparisons[one, other]
            claimed.append(Claimed(claim, one, other, metric, comparison))
        except (UserError, KeyError) as error:
            left_out.append(f"claim {claim}, {one} and {other}: {error}")
    print("\n".join(aligned(_rows(claimed))))
    for line in left_out:
        print(f"not measured: {line}")


def _rows(claimed: list[Claimed]) -> list[tuple[str, ...]]:
    rows = [("claim", "one", "other", "by", "difference", "95 %", "p", "decided")]
    missing = [1.0] * (len(_CLAIMS) - len(claimed))  # what is not measured counts, too
    different = holm([*(c.found.p for c in claimed), *missing])[: len(claimed)]
    within = (c.found.p_within(_EQUAL[c.metric]) for c in claimed)
    inside = holm([*within, *missing])[: len(claimed)]
    for c, p, within in zip(claimed, different, inside, strict=True):
        found = c.found
        interval = "none"
        if found.low is not None and found.high is not None:
            interval = f"{with_sign(found.low, 3)} to {with_sign(found.high, 3)}"
        rows.append(
            (c.claim, c.one, c.other, c.metric, with_sign(found.difference, 3), interval,
             "" if p is None else f"{p:.3f}", _decided(c, p, within))
        )  # fmt: skip
    return rows


def _decided(c: Claimed, p: float | None, within: float | None) -> str:
    pair = c.one, c.other
    family = Family({pair: p}, {pair: within}, 1 - _LEVEL)
    width, unit = _EQUAL[c.metric], _UNIT[c.metric]
    said = verdict(family, *pair, c.found.difference, width, c.metric != "ripple", unit)
    if not said:
        return "nothing, without two seeds"
    if family.told_apart(*pair) or family.equal(*pair):
        return said
    found = Needs(width, [pair], *needed([c.found], width, _LEVEL / len(_CLAIMS)))
    if found.seeds == 0:  # known so closely, and yet neither equal nor different
        return f"{said}, known to {width} {unit}"
    return f"{said}; to {width} {unit}: {what_it_takes(found, of_networks=False)}"


if __name__ == "__main__":
    main()
