"""Guards: under which terms the pictures of a training stand."""

import pytest

from srlab.data.manifest import terms_of


@pytest.mark.parametrize(
    ("data", "terms"),
    [
        ({"name": "Free9"}, {"Free9": "free"}),
        ({"names": ["Free9", "T91"]}, {"Free9": "free", "T91": "research"}),
        ({"names": ["Free9"], "path": "mine"}, {"Free9": "free", "mine": "unknown"}),
        ({"names": [], "path": "mine"}, {"mine": "unknown"}),
        ({"name": "DIV2K"}, {"DIV2K": "unknown"}),
        ({"shrink": [1.0]}, {}),
    ],
)
def test_what_has_no_manifest_has_unknown_terms(data, terms):
    assert terms_of(data) == terms
