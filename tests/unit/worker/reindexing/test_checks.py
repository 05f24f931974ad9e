"""When the counts of two indices fit, and what is said when they do not."""

import pytest

from worker.reindexing.checks import Counts, expected_of_copy, expected_of_rollback, told


@pytest.mark.parametrize(("new", "fits"), [(100, True), (99, False), (101, False)])
def test_a_plain_copy_has_every_document_however_many_were_touched(new: int, fits: bool) -> None:
    counts = expected_of_copy(old=100, new=new, read=90, dropped=0, touched=50, exact=True, from_source=False)

    assert counts.fit is fits


@pytest.mark.parametrize(("new", "fits"), [(80, True), (83, True), (77, True), (84, False), (76, False)])
def test_behind_a_transform_touched_documents_may_have_been_dropped_or_not(new: int, fits: bool) -> None:
    counts = expected_of_copy(
        old=100, new=new, read=100, dropped=20, touched=3, exact=False, from_source=False
    )

    assert counts.fit is fits


@pytest.mark.parametrize(("new", "fits"), [(30, True), (31, True), (32, False)])
def test_out_of_a_source_the_records_count_and_not_the_old_index(new: int, fits: bool) -> None:
    counts = expected_of_copy(old=1000, new=new, read=32, dropped=2, touched=1, exact=True, from_source=True)

    assert counts.fit is fits


@pytest.mark.parametrize("from_source", [True, False], ids=["of a source", "behind a transform"])
def test_nothing_at_all_takes_the_place_of_no_documents(from_source: bool) -> None:
    found = {"read": 0, "dropped": 0} if from_source else {"read": 9, "dropped": 9}
    counts = expected_of_copy(old=9, new=0, touched=0, exact=False, from_source=from_source, **found)

    assert counts.expected == 0
    assert not counts.fit
    assert "new is empty, where old holds 9 documents" in told(counts, "old", "new")


@pytest.mark.parametrize(("old", "new"), [(0, 0), (9, 1)])
def test_an_empty_index_may_stay_empty_and_one_record_may_replace_many(old: int, new: int) -> None:
    assert expected_of_copy(
        old=old, new=new, read=new, dropped=0, touched=0, exact=True, from_source=True
    ).fit


def test_a_rollback_may_return_to_an_index_that_was_empty() -> None:
    assert expected_of_rollback(now=5, former=0, surplus=-5, touched=0, exact=True).fit


def test_a_rollback_expects_what_the_former_index_had_more_at_the_swap() -> None:
    assert expected_of_rollback(now=80, former=100, surplus=20, touched=5, exact=True).fit
    assert not expected_of_rollback(now=80, former=101, surplus=20, touched=5, exact=True).fit
    assert expected_of_rollback(now=80, former=105, surplus=20, touched=5, exact=False).fit
    assert not expected_of_rollback(now=80, former=106, surplus=20, touched=5, exact=False).fit


def test_the_reason_has_both_figures_and_both_names() -> None:
    reason = told(Counts(origin=10, found=7, expected=9, tolerance=1), "old", "new")

    assert reason == (
        "new was to hold 9 documents of old, give or take 1 written meanwhile, and holds 7; "
        "the alias was not moved"
    )
    assert "give or take" not in told(Counts(10, 9, 10), "old", "new")
