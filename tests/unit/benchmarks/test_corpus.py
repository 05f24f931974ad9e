"""The documents of the benchmark."""

from __future__ import annotations

import pytest

from benchmarks.corpus import documents, mean_bytes, repeated, slices


def entry(name: str, doc: str) -> dict[str, object]:
    return {"qualified_name": name, "doc": doc}


def test_documents_have_half_a_kilobyte_on_average_as_the_design_says() -> None:
    # 10,000 is about twice each; another Python's documentation differs a little.
    assert mean_bytes(documents(10_000)) == pytest.approx(500, rel=0.1)


def test_any_part_of_the_documents_is_about_as_large_as_the_whole() -> None:
    pairs = documents(10_000)

    assert mean_bytes(pairs[:1000]) == pytest.approx(mean_bytes(pairs), rel=0.1)


def test_the_same_documents_come_each_time() -> None:
    assert documents(50) == documents(50)


def test_texts_repeat_under_new_ids() -> None:
    pairs = repeated([entry("a", "x"), entry("b", "y")], 5)

    assert [document["doc"] for _, document in pairs] == ["x", "y", "x", "y", "x"]
    assert len({id for id, _ in pairs}) == 5


def test_long_texts_are_cut_and_short_ones_are_not_padded() -> None:
    pairs = repeated([entry("a", "x" * 5000), entry("b", "y")], 2)

    assert [len(document["doc"]) for _, document in pairs] == [600, 1]


def test_an_id_is_no_longer_than_elasticsearch_takes() -> None:
    ((id, _),) = repeated([entry("n" * 512, "x")], 1)

    assert len(id.encode()) <= 512


@pytest.mark.parametrize(
    ("size", "expected"),
    [(2, ["ab", "cd", "e"]), (5, ["abcde"]), (9, ["abcde"]), (1, list("abcde"))],
)
def test_slices_hold_everything_once_in_order(size: int, expected: list[str]) -> None:
    assert list(slices("abcde", size)) == expected


def test_nothing_has_no_slices() -> None:
    assert list(slices([], 3)) == []
