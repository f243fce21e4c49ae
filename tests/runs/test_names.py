"""Guards: every run of a sweep has a name of its own, which any file system takes."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from srlab.runs.names import run_names


@given(
    st.lists(
        st.fixed_dictionaries(
            {"seed": st.integers(0, 9).map(str), "a.b": st.text(max_size=150) | st.text("aAÄ𠀀_/")}
        ),
        unique_by=lambda run: tuple(run.items()), min_size=1, max_size=6,
    )
)  # fmt: skip
@example([{"seed": "0", "a.b": "\U00020000" * 90}])
@example([{"seed": "0", "a.b": "a"}, {"seed": "0", "a.b": "A"}])
def test_runs_have_names_of_their_own_that_file_systems_take(runs):
    names = run_names(runs)
    assert len({name.casefold() for name in names}) == len(runs)
    assert all(len(f"{name}.log".encode()) < 255 for name in names)
    assert all(re.fullmatch(r"[\w+-][\w.+-]*", name) for name in names)
    assert names == run_names(runs)


def test_a_name_does_not_change_when_values_join():
    values = ["a/b", "a_b", "a b", "x" * 120, "x" * 121, "[1,2]"]
    runs = [{"seed": "0", "data.path": value} for value in values]
    assert run_names(runs) == [name for run in runs for name in run_names([run])]


def test_names_tell_the_place_on_the_axes():
    runs = [{"seed": "0", "upsampler": "deconv", "loss.tv_weight": w} for w in ("0", "1e-3")]
    assert run_names(runs) == ["seed0-deconv-tv_weight0", "seed0-deconv-tv_weight1e-3"]
