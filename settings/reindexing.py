"""The settings of copying an index: how much at once, and how fast at most.

It must not know the other settings: pairs of fields are checked in `pairs`.
"""

from pydantic import BaseModel, Field


class ReindexFields(BaseModel):
    """What keeps a reindex behind live traffic."""

    reindex_docs_per_second: float | None = Field(
        default=None, gt=0, description="documents that one reindex copies a second, at most; empty: no limit"
    )
    reindex_requests_in_flight: int = Field(
        default=2, ge=1, description="bulk requests that one reindex has under way at a time, at most"
    )
    reindex_batch_actions: int = Field(
        default=500, ge=1, description="documents in one bulk request of a reindex, at most"
    )
    reindex_batch_bytes: int = Field(
        default=2_097_152,
        ge=1,
        le=52_428_800,
        description="bytes of one bulk request of a reindex, at most; a larger document travels alone",
    )
    reindex_rollback_documents: int = Field(
        default=1_000_000,
        ge=1,
        description="changed documents that are remembered for the rollback of a finished reindex, at most; "
        "with more it can't be rolled back",
    )
