"""What a user's arq settings class may say, to `penstock worker` and to arq's own worker."""

from typing import Any

import pytest
from arq.cron import cron
from arq.worker import func

from settings import load
from worker.arq_settings import ArqSettingsError, arq_arguments
from worker.stock import worker_settings

HERE = "tests.unit.worker.arq_settings_classes"


def test_what_arqs_users_set_is_taken_over() -> None:
    taken = arq_arguments(f"{HERE}.Whole")

    assert sorted(taken) == ["allow_abort_jobs", "cron_jobs", "functions", "max_jobs", "on_startup"]
    assert taken["max_jobs"] == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Missing", "Missing"),
        ("Nothing", "sets nothing that arq knows"),
        ("ForPenstockToDecide", "sets keep_result, max_burst_jobs, queue_name: with `penstock worker`"),
        ("TakesAName", "these names are Penstock's own jobs: index, load"),
        ("NoFunction", "NoFunction.functions: .* is not a coroutine function"),
    ],
)
def test_what_can_not_work_is_named(name: str, message: str) -> None:
    with pytest.raises(ArqSettingsError, match=message):
        arq_arguments(f"{HERE}.{name}")


async def test_arqs_worker_has_our_jobs_and_the_services() -> None:
    async def work(ctx: dict[str, Any]) -> None: ...

    async def nightly(ctx: dict[str, Any]) -> None: ...

    nights = [cron(nightly, hour=3)]
    made: Any = worker_settings(load({}), functions=[work], cron_jobs=nights, max_jobs=3)

    assert [function.name for function in made.functions[:-1]] == [
        "verify",
        "reindex",
        "bulk",
        "delete",
        "index",
        "load",
        "update",
    ]
    assert made.functions[-1] is work
    assert (made.cron_jobs, made.max_jobs) == (nights, 3)


@pytest.mark.parametrize("name", ["queue_name", "redis_settings", "job_serializer", "no_such_thing"])
async def test_arqs_worker_is_refused_what_penstock_decides(name: str) -> None:
    with pytest.raises(ArqSettingsError, match=name):
        worker_settings(load({}), **{name: None})


async def test_arqs_worker_is_refused_our_names() -> None:
    async def reindex(ctx: dict[str, Any]) -> None: ...

    with pytest.raises(ArqSettingsError, match="Penstock's own jobs: reindex"):
        worker_settings(load({}), functions=[func(reindex, name="reindex")])
