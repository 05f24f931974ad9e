"""What Elasticsearch can have said of one action, once it is final: a closed set."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The final outcome of one action. All but `rejected` are successes."""

    CREATED = "created"
    """The document did not exist and does now."""
    UPDATED = "updated"
    """The document existed and was written anew."""
    UNCHANGED = "unchanged"
    """A partial update that changed nothing."""
    DELETED = "deleted"
    """The document existed and is gone."""
    MISSING = "missing"
    """A delete of what was not there: the wish is fulfilled."""
    SUPERSEDED = "superseded"
    """A newer write of the same document had won already; nothing of this one was applied."""
    REJECTED = "rejected"
    """Final: it can never succeed as it is. The report has Elasticsearch's error type and reason."""
