"""Guards: a side is cut into alike tiles on the grid, each with its context."""

from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.inference.cuts import cut_side, up_to


@given(
    size=st.integers(1, 300),
    tile=st.integers(1, 100),
    grid=st.integers(1, 8),
    context=st.integers(0, 40),
    at_once=st.integers(1, 5),
)
@settings(max_examples=200)
def test_cuts_are_the_side_in_order_on_the_grid_and_each_is_with_its_context(
    size, tile, grid, context, at_once
):
    cuts = cut_side(size, tile, grid, context, at_once)
    assert [c.first for c in cuts] == [0, *(c.last for c in cuts[:-1])]
    assert cuts[-1].last == size
    assert all(c.first % grid == 0 and 0 < c.own <= up_to(tile, grid) for c in cuts)
    assert all(
        (c.start, c.end) == (max(c.first - context, 0), min(c.last + context, size)) for c in cuts
    )
    assert len({c.own for c in cuts[:-1]}) <= 1
    assert cuts[-1].own <= cuts[0].own


def test_tiles_are_as_few_as_the_largest_allows_and_no_thread_is_left_without():
    def sides(*arguments):
        return [cut.own for cut in cut_side(*arguments)]

    assert sides(18, 8, 1, 0) == [6, 6, 6]
    assert sides(17, 8, 1, 0) == [6, 6, 5]
    assert sides(17, 8, 4, 0) == [8, 8, 1]
    assert sides(18, 20, 1, 0) == [18]
    assert sides(30, 10, 1, 0, 2) == [8, 8, 8, 6]  # not three, of which the last would be alone
    assert sides(20, 10, 1, 0, 4) == [10, 10]
