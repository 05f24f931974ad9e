"""What Redis says of itself, and what that means for jobs."""

from typing import Any

import pytest

from worker.redis_checks import impossible, unsafe, untold

SAFE = {"aof_enabled": 1, "maxmemory_policy": "noeviction", "maxmemory": 0, "cluster_enabled": 0}


def test_given_an_append_only_file_and_no_eviction_then_nothing_is_wrong() -> None:
    assert (impossible(SAFE), unsafe(SAFE), untold(SAFE)) == ([], [], [])


def test_given_no_append_only_file_then_the_line_says_what_was_found_and_what_mends_it() -> None:
    (line,) = unsafe(SAFE | {"aof_enabled": 0})

    assert line.startswith("PENSTOCK_REDIS_URL: expected a Redis with appendonly yes, got appendonly no")
    assert "CONFIG SET appendonly yes" in line
    assert "PENSTOCK_ALLOW_UNSAFE_REDIS=true" in line


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl"])
@pytest.mark.parametrize("maxmemory", [0, 1_000_000])
def test_given_any_policy_that_evicts_then_it_is_named_whatever_the_limit_is_now(
    policy: str, maxmemory: int
) -> None:
    (line,) = unsafe(SAFE | {"maxmemory_policy": policy, "maxmemory": maxmemory})

    assert f"got {policy}:" in line
    assert "CONFIG SET maxmemory-policy noeviction" in line


def test_given_both_then_both_are_told() -> None:
    assert len(unsafe({"aof_enabled": 0, "maxmemory_policy": "allkeys-lfu"})) == 2


@pytest.mark.parametrize(
    "info", [{"redis_mode": "cluster"}, {"server_mode": "cluster"}, {"cluster_enabled": 1}]
)
def test_given_a_cluster_then_no_worker_can_work_with_it(info: dict[str, Any]) -> None:
    (line,) = impossible(info)

    assert "expected a single Redis, got a Redis Cluster" in line
    assert "ALLOW" not in line


@pytest.mark.parametrize("mode", ["standalone", "sentinel"])
def test_given_another_mode_then_it_is_none_of_a_cluster(mode: str) -> None:
    assert impossible({"redis_mode": mode, "server_mode": mode}) == []


def test_given_a_redis_that_does_not_say_then_it_is_not_refused_and_what_is_missing_is_named() -> None:
    assert (impossible({}), unsafe({})) == ([], [])
    assert untold({}) == ["aof_enabled", "maxmemory_policy"]
