"""Whether an index holds what its source does: both sides are streamed, and what differs is told by id."""
