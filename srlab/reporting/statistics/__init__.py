"""Which methods differ, by how much, and how sure that is: over seeds and images."""

from srlab.reporting.statistics.comparison import Comparison, Spread, compare
from srlab.reporting.statistics.family import Family
from srlab.reporting.statistics.multiplicity import groups, holm
from srlab.reporting.statistics.needs import Needs, needed, needs, seeds_may_tell
from srlab.reporting.statistics.ranking import (
    Place,
    Ranking,
    not_told_from_best,
    rank,
    rank_networks,
)

__all__ = [
    "Comparison", "Family", "Needs", "Place", "Ranking", "Spread", "compare", "groups", "holm",
    "needed", "needs", "not_told_from_best", "rank", "rank_networks", "seeds_may_tell",
]  # fmt: skip
