"""Whether Redis keeps what it is given, by what it says of itself in INFO. Pure.

INFO and not CONFIG GET: managed services forbid or rename CONFIG. A line that is missing there (a proxy, a
service that hides it) says nothing, and is no reason to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Info = Mapping[str, Any]

_URL = "PENSTOCK_REDIS_URL"
_OVERRIDE = "or set PENSTOCK_ALLOW_UNSAFE_REDIS=true to run all the same"


def impossible(info: Info) -> list[str]:
    """Why no worker can work with this Redis, whatever the settings allow: one line each."""
    # Redis says redis_mode, Valkey server_mode, both cluster_enabled.
    modes = (info.get("redis_mode"), info.get("server_mode"))
    if not info.get("cluster_enabled") and "cluster" not in modes:
        return []
    return [
        f"{_URL}: expected a single Redis, got a Redis Cluster (cluster-enabled yes): the keys of a job lie "
        "in several of its slots, and no script may touch them all; name a Redis without cluster mode"
    ]


def unsafe(info: Info) -> list[str]:
    """How this Redis may lose jobs, and what mends it: one line each."""
    return [*_append_only_file(info), *_eviction(info)]


def untold(info: Info) -> list[str]:
    """The lines of INFO that would tell, and are not there."""
    return [name for name in ("aof_enabled", "maxmemory_policy") if name not in info]


def _append_only_file(info: Info) -> list[str]:
    if info.get("aof_enabled", 1):
        return []
    return [
        f"{_URL}: expected a Redis with appendonly yes, got appendonly no: a Redis that is killed would lose "
        "every waiting job; run CONFIG SET appendonly yes and set it in redis.conf (managed services: in the "
        f"parameter group), {_OVERRIDE}"
    ]


def _eviction(info: Info) -> list[str]:
    """All policies but one drop jobs: those of plain arq have a time to live, and so have reports."""
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return []
    return [
        f"{_URL}: expected a Redis with maxmemory-policy noeviction, got {policy}: a Redis that is full "
        "would drop acknowledged jobs in silence; run CONFIG SET maxmemory-policy noeviction and set it in "
        f"redis.conf (managed services: in the parameter group), {_OVERRIDE}"
    ]
