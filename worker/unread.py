"""The touches of a job that ended without having been run here, read from what is stored for it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .actions import actions_of, kept
from .intake import WRITES, Refused, read_call, read_write
from .touches import Touch, UntoldDocuments, touches_of

# What has killed its workers may kill this one: most likely by what it takes to build its documents. A job of
# this size can take no more than some MB.
_SAFE_BYTES = 256 * 1024


def read_touches(raw: bytes, *, begun: bool, deadly: bool) -> Sequence[Touch]:
    """The documents that a stored job may have changed. Raises UntoldDocuments.

    `begun`: a worker may have begun with it. `deadly`: it has killed its workers. A load tells no routing and
    no index.
    """
    if not (deadly and len(raw) > _SAFE_BYTES):
        try:
            call = read_call(raw, len(raw))
            if call.name in WRITES:
                payload, number = read_write(call)
                actions = actions_of(payload, number, call.document_keys)
                return touches_of(kept(actions, call.retried.positions) if call.retried.keep else actions)
        except (Refused, ValueError, RecursionError):
            pass  # one that could have been written is told of below
    if begun:
        raise UntoldDocuments
    return ()
