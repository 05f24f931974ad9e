"""The settings of the queue: where Redis is, how it is asked, how long answers and leases last.

It must not know the other settings: pairs of fields are checked in `pairs`.
"""

from typing import Annotated

from pydantic import BaseModel, Field, PlainSerializer, PlainValidator, field_validator
from pydantic_settings import NoDecode

from settings.redis_url import RedisUrl

# A worker renews its lease this many times while it lasts, so that some renewals may be late or lost.
HEARTBEATS_PER_LEASE = 5


class RedisFields(BaseModel):
    """What concerns Redis."""

    redis_url: Annotated[RedisUrl, NoDecode, PlainValidator(RedisUrl.parse), PlainSerializer(str)] = Field(
        default=RedisUrl.parse("redis://127.0.0.1:6379/0"),
        description="Redis: `redis://`, `rediss://` (TLS) or `unix://`; user and password percent-encoded, "
        "before the host",
    )
    queue: str = Field(default="arq:queue", description="name of the queue; producers must use the same one")
    redis_timeout_seconds: float = Field(
        default=5.0, gt=0, description="seconds to wait for Redis to connect or to answer one call"
    )
    lease_seconds: float = Field(
        default=10.0,
        gt=0,
        description="seconds after its last sign of life at which a worker's jobs go to other workers; "
        f"a sign is given {HEARTBEATS_PER_LEASE} times in that time",
    )
    poll_seconds: float = Field(
        default=0.1, gt=0, description="seconds between two looks at a queue that was empty"
    )
    keep_success_seconds: int = Field(
        default=600, ge=60, description="seconds that the report of a successful job is kept (at least 60)"
    )
    keep_failure_seconds: int = Field(
        default=86_400, ge=60, description="seconds that the report of a failed job is kept (at least 60)"
    )
    allow_unsafe_redis: bool = Field(
        default=False,
        description="whether a worker starts on a Redis that can lose jobs (no append-only file, or an "
        "eviction policy other than `noeviction`): `true` turns the refusal into a warning",
    )
    allow_stock_workers: bool = Field(
        default=False,
        description="whether Penstock's workers and arq's own may work one queue at a time: jobs may run "
        "twice and out of order then; `true` turns the refusal into a warning",
    )

    @property
    def heartbeat_seconds(self) -> float:
        """Seconds between two renewals of a worker's lease."""
        return self.lease_seconds / HEARTBEATS_PER_LEASE

    @field_validator("queue")
    @classmethod
    def _check_queue(cls, value: str) -> str:
        if not value or not value.isprintable() or " " in value:
            raise ValueError(f"expected a name without white space, such as arq:queue, got {value!r}")
        return value
