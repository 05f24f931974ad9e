"""The settings of dead letters: how many are kept and for how long, and how long an unknown job waits.

It must not know the other settings: pairs of fields are checked in `pairs`.
"""

from pydantic import BaseModel, Field


class DeadLetterFields(BaseModel):
    """What concerns jobs that can never succeed as they are."""

    dead_letters_max: int = Field(
        default=10_000, ge=0, description="dead letters that are kept, at most; the oldest go first"
    )
    dead_letters_max_bytes: int = Field(
        default=268_435_456,
        ge=1,
        description="bytes of the payloads in dead letters, at most; the oldest go first, the latest stays",
    )
    keep_dead_letters_seconds: int = Field(
        default=1_209_600, ge=60, description="seconds that a dead letter is kept (at least 60)"
    )
    park_unknown_seconds: int = Field(
        default=3600,
        ge=0,
        description="seconds that a job whose name no worker knows waits, tried again now and then, before "
        "it becomes a dead letter",
    )
