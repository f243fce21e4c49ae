"""Many comparisons at once: p values that allow for their number, and letters for what is alike."""

from collections.abc import Iterable, Sequence

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return p values adjusted for their number (Holm, Scand. J. Statist. 6, 1979).

    Whatever holds of the pairs, and however they depend on each other, the chance that any of
    those with nothing in them comes out at 0.05 or below is at most 5 %. None, a pair without
    evidence, stays None and counts for nothing.
    """
    adjusted: list[float | None] = [None] * len(p)
    known = sorted((value, index) for index, value in enumerate(p) if value is not None)
    least = 0.0
    for rank, (value, index) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * value))
        adjusted[index] = least
    return adjusted


def groups(count: int, different: Iterable[tuple[int, int]]) -> list[str]:
    """Return letters for each of ``count`` methods: a letter is shared by those not told apart.

    The compact letter display by insertion and absorption (Piepho, "An Algorithm for a Letter-Based
    Representation of All-Pairwise Comparisons", J. Comput. Graph. Statist. 13, 2004). Letters go by
    rank, so that method 0, the best, has 'a'. After 'z' comes 'aa'; then spaces part the letters.

    Args:
        count: The number of methods, which are numbered by rank.
        different: The pairs that are told apart, in either order.
    """
    columns = {frozenset(range(count))} if count else set()
    for i, j in different:
        if i == j:
            raise ValueError(f"method {i} cannot differ from itself")
        split = {c for c in columns if i in c and j in c}
        kept = columns - split
        halves = {c - {leave} for c in split for leave in (i, j)}
        columns = kept | {h for h in halves if not any(h < other for other in kept | halves)}
    names = [_letter(index) for index in range(len(columns))]
    between = "" if len(columns) <= len(_ALPHABET) else " "
    ordered = sorted(columns, key=sorted)
    return [
        between.join(name for name, c in zip(names, ordered, strict=True) if method in c)
        for method in range(count)
    ]


def _letter(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, last = divmod(index - 1, len(_ALPHABET))
        letters = _ALPHABET[last] + letters
    return letters
