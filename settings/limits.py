"""The settings of how much at once: batches, requests in flight, claimed jobs, pauses between tries.

It must not know the other settings: pairs of fields are checked in `pairs`.
"""

from pydantic import BaseModel, Field


class LimitFields(BaseModel):
    """What bounds a worker process."""

    batch_max_actions: int = Field(
        default=2000, ge=1, description="document operations in one bulk request, at most"
    )
    batch_max_bytes: int = Field(
        default=5_242_880,
        ge=1,
        description="bytes of one bulk request, at most; a job larger than this travels alone",
    )
    max_requests_in_flight: int = Field(
        default=4, ge=1, description="bulk requests that a process has under way at a time, at most"
    )
    max_claimed_jobs: int = Field(
        default=4000, ge=1, description="jobs that a process has taken and not finished, at most"
    )
    claimed_max_bytes: int = Field(
        default=67_108_864,
        ge=1,
        description="bytes of the payloads that a process has taken and not finished, at most",
    )
    job_max_bytes: int = Field(
        default=10_485_760, ge=1, description="bytes of one job's payload, at most; larger ones are refused"
    )
    retry_initial_seconds: float = Field(
        default=0.1,
        gt=0,
        description="longest pause in seconds before the second try, shortest where the cluster throttles; "
        "it doubles each time",
    )
    retry_max_seconds: float = Field(
        default=5.0, gt=0, description="longest pause in seconds between two tries, however many there were"
    )
