"""Guards: p values allow for their number, and what is not told apart shares a letter."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srlab.reporting.statistics import groups, holm


def test_holm_by_hand():
    assert holm([0.04, None, 0.01, 0.03, 0.02]) == pytest.approx([0.06, None, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([None]) == [None]
    assert holm([]) == []


@st.composite
def relations(draw):
    count = draw(st.integers(1, 7))
    pairs = list(combinations(range(count), 2))
    return count, draw(st.sets(st.sampled_from(pairs))) if pairs else set()


@given(relations())
def test_methods_share_a_letter_if_and_only_if_they_are_not_told_apart(relation):
    count, different = relation
    letters = groups(count, different)
    assert "a" in letters[0]
    for i, j in combinations(range(count), 2):
        assert bool(set(letters[i]) & set(letters[j])) == ((i, j) not in different)
    used = {
        letter: {i for i in range(count) if letter in letters[i]} for letter in "".join(letters)
    }
    assert not any(x < y for x in used.values() for y in used.values())


def test_letters_go_by_rank():
    assert groups(4, {(0, 2), (3, 0), (1, 3)}) == ["a", "ab", "bc", "c"]
    assert groups(0, set()) == []


def test_letters_after_z():
    letters = groups(28, set(combinations(range(28), 2)) - {(26, 27), (25, 27)})
    assert letters[:25] == list("abcdefghijklmnopqrstuvwxy")
    assert letters[25:] == ["z", "aa", "z aa"]
