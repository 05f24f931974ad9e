"""What a verification has found so far, and how it is written in Redis. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from .comparing import Difference, Kind

# Ids that are named for each kind: a report is small, and a person looks at the first ones.
_NAMED = 100


@dataclass(slots=True)
class Findings:
    """Counts by kind, and the first ids of each. Mutable: it grows while the verification runs."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, Kind), 0))
    ids: dict[str, list[str]] = field(default_factory=lambda: {str(kind): [] for kind in Kind})
    repaired: int = 0

    def add(self, differences: Iterable[Difference]) -> None:
        """Count differences, and name the first ones."""
        for difference in differences:
            self.counts[difference.kind] += 1
            named = self.ids[difference.kind]
            if len(named) < _NAMED:
                named.append(difference.id)

    def copy(self) -> Findings:
        """As it is now, whatever is found from now on."""
        return deepcopy(self)

    @property
    def total(self) -> int:
        """Everything that differs."""
        return sum(self.counts.values())

    def to_wire(self) -> dict[str, Any]:
        """For a report, and for people: counts, ids and repairs."""
        return {**self.counts, "repaired": self.repaired, "ids": {k: v for k, v in self.ids.items() if v}}


@dataclass(slots=True)
class Place:
    """How far a verification has come: all that it needs to go on. Mutable.

    `side`: "source" first, then "index", then "done". `after`: the last id that the source has told, or the
    place in the point in time `pit`. `before`: what was found before this side. `documents`: how many the
    index had. `started` in s since 1970.
    """

    index: str
    source: str
    started: float
    repair: bool = False
    side: str = "source"
    after: Any = None
    pit: str | None = None
    done: int = 0
    total: int = 0
    documents: int = 0
    findings: Findings = field(default_factory=Findings)
    before: Findings = field(default_factory=Findings)

    def to_json(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, stored: bytes) -> Place:
        """The inverse. Raises ValueError, TypeError or KeyError for what is none."""
        members = orjson.loads(stored)
        both = {name: Findings(**members[name]) for name in ("findings", "before")}
        return cls(**members | both)
