"""The settings of sources: where they are registered, and how they are read.

It must not know the registry, which `worker/registry.py` loads.
"""

import re

from pydantic import BaseModel, Field, field_validator

_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class SourceFields(BaseModel):
    """What concerns the systems of record that `load` jobs and a reindex read."""

    sources: str | None = Field(
        default=None,
        description="where sources and transforms are registered, as `package.module:registry`; the module "
        "is looked for in the current directory as well",
    )
    source_batch_size: int = Field(
        default=500, ge=1, description="ids that are read from a source in one call, at most"
    )
    source_concurrency: int = Field(
        default=2, ge=1, description="calls that a process has under way to each source, at most"
    )
    source_timeout_seconds: float = Field(
        default=60.0, gt=0, description="seconds to wait for a source to answer one call"
    )

    @field_validator("sources")
    @classmethod
    def _check_sources(cls, value: str | None) -> str | None:
        if value is not None and not _PLACE.fullmatch(value):
            raise ValueError(f"expected package.module:registry, got {value!r}")
        return value
