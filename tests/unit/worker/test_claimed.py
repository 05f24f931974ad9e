"""A claimed job as its bytes say: whether it has its number, and a name that can be printed."""

import pytest

from worker.claims import Claimed


def claimed(raw: bytes, id: bytes = b"1") -> Claimed:
    return Claimed(id, 1.0, raw, b"", 0)


@pytest.mark.parametrize("raw", [b"", b"P1 5\n{}", b"P1 5 key key\n{}", b"P1 5 key\n"])
def test_given_a_whole_first_line_or_nothing_at_all_then_it_is_admitted(raw: bytes) -> None:
    assert claimed(raw).admitted


@pytest.mark.parametrize(
    "raw", [b"{}", b"P1 5", b"P1 x\n{}", b"P1 \n{}", b"P1 -5\n{}", b"P2 5\n{}", b"\x80\x04", b"\nP1 5\n"]
)
def test_given_a_first_line_that_the_claim_script_does_not_read_then_it_is_not_admitted(raw: bytes) -> None:
    assert not claimed(raw).admitted


def test_given_an_id_that_is_no_text_then_its_name_can_be_printed() -> None:
    assert claimed(b"", b"a\xff").name == "a\\xff"
