"""The contract between services that change documents and the worker that indexes them.

What a service enqueues and what it reads back. This folder is also built as the wheel
``penstock-client`` and imported as ``penstock_client``: relative imports only, and nothing needed but
pydantic and redis.
"""

from .client import IndexQueue
from .dead_letter import DeadKind, DeadLetter, DeadLetterContents
from .dead_letters import DeadLetters, Retries
from .envelope import deserialize, serialize
from .errors import (
    CancelRefused,
    InvalidJob,
    JobFailed,
    JobNotFound,
    PenstockError,
    QueueFull,
    QueueUnavailable,
    ReportTimeout,
    UnreadableJob,
)
from .handle import Duplicate, Enqueued, JobHandle, JobStatus
from .models import (
    BulkWrite,
    DeleteDocument,
    DocumentAction,
    IndexDocument,
    LoadDocuments,
    Payload,
    ReindexAlias,
    UpdateDocument,
    VerifyIndex,
)
from .outcomes import Outcome
from .reindexes import ReindexPhase, ReindexStatus, SliceStatus
from .report import Rejection, Report

__all__ = [
    "BulkWrite",
    "CancelRefused",
    "DeadKind",
    "DeadLetter",
    "DeadLetterContents",
    "DeadLetters",
    "DeleteDocument",
    "DocumentAction",
    "Duplicate",
    "Enqueued",
    "IndexDocument",
    "IndexQueue",
    "InvalidJob",
    "JobFailed",
    "JobHandle",
    "JobNotFound",
    "JobStatus",
    "LoadDocuments",
    "Outcome",
    "Payload",
    "PenstockError",
    "QueueFull",
    "QueueUnavailable",
    "ReindexAlias",
    "ReindexPhase",
    "ReindexStatus",
    "Rejection",
    "Report",
    "ReportTimeout",
    "Retries",
    "SliceStatus",
    "UnreadableJob",
    "UpdateDocument",
    "VerifyIndex",
    "deserialize",
    "serialize",
]
