"""Whether two indices hold the same number of documents, as far as that can be known. Pure.

A plain copy has to have them all. Where a transform drops documents, or a source says what there is, the
documents that were written meanwhile may have been counted before or after their change: so many the
numbers may differ, and no more.
"""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """`origin` documents in one index, `found` of `expected` ones in the other, `tolerance` off at most.

    `may_be_empty`: whether none at all may take the place of some.
    """

    origin: int
    found: int
    expected: int
    tolerance: int = 0
    may_be_empty: bool = True

    @property
    def fit(self) -> bool:
        """Whether the alias may be moved."""
        if self.emptied:
            return False
        return abs(self.expected - self.found) <= self.tolerance

    @property
    def emptied(self) -> bool:
        """Whether nothing at all would take the place of documents."""
        return bool(self.origin) and not self.found and not self.may_be_empty


def expected_of_copy(
    *, old: int, new: int, read: int, dropped: int, touched: int, exact: bool, from_source: bool
) -> Counts:
    """What the new index has to hold.

    `read` and `dropped` are the copy's; `touched`: documents that were caught up with since; `exact`: no
    transform had a say. A source that yields nothing, or a transform that drops all, is taken for a mistake.
    """
    if from_source:
        return Counts(old, new, read - dropped, touched, may_be_empty=False)
    if exact:
        return Counts(old, new, old)
    return Counts(old, new, old - dropped, touched, may_be_empty=False)


def expected_of_rollback(*, now: int, former: int, surplus: int, touched: int, exact: bool) -> Counts:
    """What the former index has to hold: what the present one has, and what it had more at the swap."""
    return Counts(now, former, now + surplus, 0 if exact else touched)


def told(counts: Counts, from_index: str, to_index: str) -> str:
    """Why the alias was not moved."""
    if counts.emptied:
        return (
            f"{to_index} is empty, where {from_index} holds {counts.origin} documents: the source yields "
            "none, or the transform drops all of them; the alias was not moved"
        )
    more = f", give or take {counts.tolerance} written meanwhile" if counts.tolerance else ""
    return (
        f"{to_index} was to hold {counts.expected} documents of {from_index}{more}, and holds "
        f"{counts.found}; the alias was not moved"
    )
