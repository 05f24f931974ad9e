"""JSON to the digit, and no more memory than its bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

from worker.exact_json import dumps, loads

ROOT = Path(__file__).parents[3]
# 20,000 bodies of about half a KB: 10 MB, and 80 MB where each keeps the buffer that it was written into.
KEPT = """
import psutil
from worker.exact_json import dumps

document = {"text": "x" * 470}
before = psutil.Process().memory_info().rss
kept = [dumps(document) for _ in range(20_000)]
print((psutil.Process().memory_info().rss - before) // len(kept))
"""


def test_given_bodies_that_are_kept_then_each_takes_its_own_bytes_and_little_more() -> None:
    run = subprocess.run(
        [sys.executable, "-c", KEPT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert 100 < int(run.stdout) < 1000  # some of it may take the place of what was free before


@pytest.mark.parametrize("value", [{"a": "é"}, [1, 2.5, None, True], 2**70, {"n": -(2**64) - 1}])
def test_given_a_value_then_it_is_the_same_when_read_again(value: object) -> None:
    written = dumps(value)

    assert type(written) is bytes
    assert loads(written) == value
