"""Guards: how large pictures become, and which sizes are refused."""

from fractions import Fraction

import pytest

from srlab.errors import UserError
from srlab.imaging.sizes import by_factor, exactly, of_height, of_width, widening


def test_sizes_are_rounded_to_whole_pixels_and_keep_the_shape():
    assert by_factor(3)(20, 31) == (60, 93)
    assert by_factor(Fraction("2.5"))(21, 31) == (53, 78)  # halves upward
    assert by_factor(Fraction("1.1"))(10, 30) == (11, 33)
    assert of_width(1920)(480, 641) == (1438, 1920)
    assert of_height(1080)(480, 641) == (1080, 1442)
    assert exactly(2160, 3840)(480, 640) == (2160, 3840)
    assert of_width(50)(80, 100) == (40, 50)
    assert of_width(1)(80, 100) == (1, 1)
    assert of_height(80)(80, 100) == (80, 100)


@pytest.mark.parametrize(
    ("size_of", "said"),
    [
        (exactly(80, 6401), "100x80 cannot become 6401x80: sides grow 64 times at most"),
    ],
)
def test_what_grows_far_too_much_is_refused(size_of, said):
    with pytest.raises(UserError, match=said):
        size_of(80, 100)


def test_a_shape_that_changes_is_noticed_and_rounding_is_not():
    assert widening((480, 640), (2160, 3840)) == Fraction(1, 3)
    assert widening((480, 640), (960, 960)) == Fraction(-1, 4)
    assert widening((481, 640), (1080, 1440)) == 0  # less than a hundredth
    assert widening((3, 10), of_width(25)(3, 10)) == 0  # 25x8, for 7.5 rows
