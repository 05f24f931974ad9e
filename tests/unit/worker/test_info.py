"""What `penstock info` prints of a queue."""

import pytest

from jobs.overview import Overview, ParkedIndex
from worker.cli.info import print_overview


def test_what_is_parked_is_told_of_indices_and_of_sources(capsys: pytest.CaptureFixture[str]) -> None:
    parked = (
        ParkedIndex("products", "delete", 2, "security_exception", "why"),
        ParkedIndex("rows", "source", 5, "unknown_source", "nobody has it"),
    )

    print_overview(Overview("arq:queue", 7, 0, (), {}, (), parked))

    told = " ".join(capsys.readouterr().out.split())
    assert "products takes no deletes, 2 jobs are parked: security_exception: why" in told
    assert "source rows takes no loads, 5 jobs are parked: unknown_source: nobody has it" in told
