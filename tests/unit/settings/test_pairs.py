"""Pairs of settings: the limit itself, one step beyond, and the words that say what to change."""

import pytest

from settings import SettingsError, load
from settings.pairs import HTTP_MAX_CONTENT_BYTES, PAIRS, Pair


def problems(**values: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load({}, **values)
    return caught.value.problems


@pytest.mark.parametrize(
    ("larger", "smaller", "values"),
    [
        ("connections_per_node", "max_requests_in_flight", ("8", "8")),
        ("grace_period_seconds", "request_timeout_seconds", ("20", "20")),
        ("retry_max_seconds", "retry_initial_seconds", ("1", "1.5")),
        ("max_claimed_jobs", "batch_max_actions", ("499", "500")),
        ("claimed_max_bytes", "batch_max_bytes", ("10485760", "10485761")),
        ("claimed_max_bytes", "job_max_bytes", ("10485759", "10485760")),
        ("dead_letters_max_bytes", "job_max_bytes", ("10485759", "10485760")),
    ],
)
def test_given_a_pair_that_does_not_fit_when_loaded_then_both_variables_and_values_are_named(
    larger: str, smaller: str, values: tuple[str, str]
) -> None:
    (line,) = problems(**{larger: values[0], smaller: values[1]})

    assert line.startswith(f"PENSTOCK_{larger.upper()}: expected ")
    assert f"PENSTOCK_{smaller.upper()} ({values[1]}), got {values[0]}; " in line
    assert "raise the first or lower the second" in line


@pytest.mark.parametrize(
    ("larger", "smaller", "values"),
    [
        ("connections_per_node", "max_requests_in_flight", ("9", "8")),
        ("grace_period_seconds", "request_timeout_seconds", ("20.1", "20")),
        ("retry_max_seconds", "retry_initial_seconds", ("1.5", "1.5")),
        ("max_claimed_jobs", "batch_max_actions", ("500", "500")),
        ("claimed_max_bytes", "batch_max_bytes", ("10485760", "10485760")),
        ("claimed_max_bytes", "job_max_bytes", ("10485760", "10485760")),
        ("dead_letters_max_bytes", "job_max_bytes", ("10485760", "10485760")),
    ],
)
def test_given_a_pair_that_just_fits_when_loaded_then_it_is_accepted(
    larger: str, smaller: str, values: tuple[str, str]
) -> None:
    load({}, **{larger: values[0], smaller: values[1]})


def test_given_the_pairs_then_each_says_what_happens_otherwise() -> None:
    assert all(pair.why for pair in PAIRS)
    assert len({(pair.larger, pair.smaller) for pair in PAIRS}) == len(PAIRS)


def test_given_a_pair_when_only_the_default_of_one_is_in_the_way_then_the_message_shows_that_default() -> (
    None
):
    (line,) = problems(max_requests_in_flight="16")

    assert "more than PENSTOCK_MAX_REQUESTS_IN_FLIGHT (16), got 8" in line


def test_given_large_numbers_when_a_pair_does_not_fit_then_they_are_written_out() -> None:
    line = Pair("a", "b", "why").problem(type("Values", (), {"a": 67_108_864, "b": 104_857_599}))

    assert line is not None
    assert "(104857599), got 67108864" in line


def test_given_a_job_larger_than_a_batch_when_loaded_then_it_is_accepted_since_it_travels_alone() -> None:
    settings = load({}, job_max_bytes="50000000", batch_max_bytes="1000")

    assert settings.job_max_bytes > settings.batch_max_bytes


@pytest.mark.parametrize("field", ["batch_max_bytes", "job_max_bytes"])
def test_given_requests_as_large_as_elasticsearch_refuses_when_loaded_then_the_limit_is_named(
    field: str,
) -> None:
    too_much = {field: str(HTTP_MAX_CONTENT_BYTES), "claimed_max_bytes": "200000000"}
    just_fits = too_much | {field: str(HTTP_MAX_CONTENT_BYTES - 1)}

    (line,) = problems(**too_much)

    assert line.startswith(f"PENSTOCK_{field.upper()}: expected less than 104857600")
    assert "http.max_content_length" in line
    assert "got 104857600; lower it" in line
    load({}, **just_fits)


def test_given_a_lease_that_one_slow_call_could_cost_when_loaded_then_it_is_refused() -> None:
    (line,) = problems(lease_seconds="5", redis_timeout_seconds="4")

    assert line.startswith("PENSTOCK_LEASE_SECONDS: expected more than 5 ")
    assert "PENSTOCK_REDIS_TIMEOUT_SECONDS), got 5; raise the first or lower the second" in line
    load({}, lease_seconds="5.1", redis_timeout_seconds="4")


def test_given_several_pairs_that_do_not_fit_when_loaded_then_every_one_is_told() -> None:
    found = problems(connections_per_node="1", grace_period_seconds="1", lease_seconds="1")

    assert [line.partition(":")[0] for line in found] == [
        "PENSTOCK_CONNECTIONS_PER_NODE",
        "PENSTOCK_GRACE_PERIOD_SECONDS",
        "PENSTOCK_LEASE_SECONDS",
    ]
