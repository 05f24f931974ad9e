"""Ages on the command line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from worker.cli.durations import duration


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("999999d", timedelta(days=999_999)),
    ],
)
def test_a_number_and_a_unit_is_an_age(text: str, age: timedelta) -> None:
    assert duration(text) == age


@pytest.mark.parametrize("text", ["", "7", "d", "7 d", "-1d", "1.5h", "7w", "7D", "1000000d", "7d ", "٧d"])
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError, match="expected a whole number and one of s, m, h, d") as caught:
        duration(text)
    assert repr(text) in str(caught.value)
