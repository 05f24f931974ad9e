"""What samples of a process's memory say."""

from __future__ import annotations

import os

import psutil

from benchmarks.resident import flatness, peak


def test_flat_is_judged_after_the_first_ten_seconds() -> None:
    samples = [(0.0, 20.0), (5.0, 400.0), (10.0, 100.0), (11.0, 100.0), (12.0, 150.0)]

    flat = flatness(samples)

    assert (flat.highest, flat.median, flat.ratio) == (150, 100, 1.5)


def test_a_process_that_ended_earlier_is_judged_by_all_it_had() -> None:
    assert flatness([(0.0, 50.0), (1.0, 100.0), (2.0, 100.0)]).ratio == 1


def test_the_peak_is_no_less_than_what_is_resident_now() -> None:
    highest = peak(os.getpid())

    assert highest is not None
    assert highest >= psutil.Process().memory_info().rss / 1e6 * 0.99


def test_a_process_that_is_gone_has_no_peak() -> None:
    assert peak(2**22 + 1) is None
