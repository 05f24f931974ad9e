"""A property: whatever operations are mixed with whatever injuries, on few documents, the model is right.

Hypothesis makes the histories, the same ones each time; the longer version makes more of them.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from embedded import ElasticsearchServer, start_redis
from tests.faults.harness import Harness
from tests.faults.injuries import QUICK, Injuries, Injury
from tests.faults.operations import Kind, Operation
from tests.faults.seeds import SEEDS

WORKERS = 2
Step = tuple[str, Kind] | Injury

jobs = st.tuples(st.sampled_from("abc"), st.sampled_from(Kind))
steps = st.lists(st.one_of(jobs, jobs, jobs, st.sampled_from(QUICK)), min_size=15, max_size=30)


@given(history=steps)
@settings(
    max_examples=3 * SEEDS - 1,
    derandomize=True,
    deadline=None,
    # A failed history is shown as it is: with real processes a shorter one need not fail again.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_history_ends_as_the_model_says(
    own_elasticsearch: ElasticsearchServer, tmp_path: Path, history: list[Step]
) -> None:
    with start_redis() as redis:
        async with Harness(redis, own_elasticsearch, tmp_path) as harness:
            stand_in = await harness.stand_in()
            injuries = Injuries(harness, stand_in, len(history), most_seconds=1.0)
            await harness.fleet.start(WORKERS)

            for number, step in enumerate(history):
                if isinstance(step, Injury):
                    await injuries.inflict(step)
                else:
                    document, kind = step
                    await harness.producers.submit(Operation(number, document, kind))

            await harness.verdict()
