"""What a reindex decides without asking anybody: names, settings, the calls that create and swap. Pure.

Refusals are JobFailed: the report of the job, as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.errors import JobFailed
from jobs.report import refusal

# No refresh and no replicas while an index fills: each would cost as much as the copy itself.
_WHILE_FILLING: Mapping[str, Any] = {
    "refresh_interval": "-1",
    "number_of_replicas": 0,
    "auto_expand_replicas": False,
}
# What an alias has beside its name, as Elasticsearch tells it and takes it again.
_PROPERTIES = ("filter", "index_routing", "search_routing", "is_write_index", "is_hidden")
_LEAST_SLICES = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """What a name leads to. `aliases`: those of the index, each with its properties.

    `lacking` is why its sources are not the documents, where they are not.
    """

    index: str
    concrete: bool
    shards: int
    aliases: Mapping[str, Mapping[str, Any]]
    lacking: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that jobs may write this index by."""
        return (self.index, *sorted(self.aliases))

    @property
    def routings(self) -> tuple[str, ...]:
        """The routings that aliases give to documents whose jobs name none."""
        found = {str(told["index_routing"]) for told in self.aliases.values() if told.get("index_routing")}
        return tuple(sorted(found))

    def routing_by(self, name: str) -> str | None:
        """The routing that documents get which jobs write by this name without one."""
        routing = self.aliases.get(name, {}).get("index_routing")
        return None if routing is None else str(routing)

    def places(self, routing: str | None) -> tuple[str | None, ...]:
        """The routings under which a document may be: a job does not say which alias's it got."""
        return (None, *self.routings) if routing is None else (routing,)


def origin_of(name: str, found: Mapping[str, Any]) -> Origin:
    """Read the answer to `GET /<name>`. Raises JobFailed unless it is one index that can be rebuilt."""
    if len(found) != 1:
        names = ", ".join(sorted(found))
        reason = f"the alias points to {len(found)} indices ({names}); one was expected"
        raise JobFailed(refusal("ambiguous_alias", reason, index=name))
    ((index, told),) = found.items()
    if stream := told.get("data_stream"):
        reason = f"{name} leads to the data stream {stream}, whose documents take no versions"
        raise JobFailed(refusal("data_stream", reason, index=name))
    return Origin(
        index=index,
        concrete=index == name,
        shards=int(told["settings"]["index"]["number_of_shards"]),
        aliases={alias: dict(properties) for alias, properties in told.get("aliases", {}).items()},
        lacking=lacking_sources(told),
    )


def lacking_sources(told: Mapping[str, Any]) -> str | None:
    """Why the sources of an index are not its documents, by its mapping and settings; None where they are."""
    source = told.get("mappings", {}).get("_source", {})
    mode = told.get("settings", {}).get("index", {}).get("mapping", {}).get("source", {}).get("mode")
    if source.get("enabled") is False or "disabled" in (mode, source.get("mode")):
        return "its mapping has _source disabled"
    for name in ("includes", "excludes"):
        if source.get(name):
            return f"its mapping has _source.{name}: {', '.join(source[name])}"
    return None


def check_whole(origin: Origin, alias: str) -> None:
    """Raises JobFailed where copies of the documents would not have all that jobs have written."""
    if origin.lacking:
        reason = f"documents of {origin.index} can't be read in whole: {origin.lacking}"
        raise JobFailed(refusal("source_filtered", reason, index=alias))


def check_home(origin: Origin, written_by: str, alias: str) -> None:
    """Raises JobFailed where jobs write records of a source by a name that says nothing of their routing."""
    if origin.routings and written_by == origin.index and not origin.concrete:
        reason = (
            f"the source is registered for {written_by}, the index's own name, and aliases give its "
            f"documents routings ({', '.join(origin.routings)}): register it for the alias that jobs write by"
        )
        raise JobFailed(refusal("ambiguous_routing", reason, index=alias))


def new_name(alias: str, now: datetime) -> str:
    """The name of the new index: no two of one alias are the same."""
    return f"{alias}-{now:%Y%m%d%H%M%S%f}"


def wanted_settings(given: Mapping[str, Any] | None, gc_deletes: str) -> dict[str, Any]:
    """The settings asked for, by their plain names, and how long deletes are remembered unless they say."""
    return {"gc_deletes": gc_deletes} | flat(given or {})


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with or without ``index`` around them or before each name, all without."""
    inner = settings.get("index")
    plain = {name: value for name, value in settings.items() if name != "index"}
    if isinstance(inner, Mapping):
        plain |= inner
    return {name.removeprefix("index."): value for name, value in plain.items()}


def filling(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with which the new index is created."""
    return {**wanted, **_WHILE_FILLING}


def restored(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What gives the filled index the settings asked for, or Elasticsearch's defaults."""
    return {name: wanted.get(name) for name in _WHILE_FILLING}


def slices_of(wanted: int | None, shards: int) -> int:
    """How many parts are copied side by side."""
    return wanted or max(_LEAST_SLICES, shards)


def swap_actions(alias: str, origin: Origin, target: str) -> list[dict[str, Any]]:
    """One atomic call: every alias of the old index moves with its properties.

    An index of the alias's own name goes in the same call: an index and an alias can't have one name.
    """
    actions: list[dict[str, Any]] = []
    if origin.concrete:
        actions.append({"remove_index": {"index": origin.index}})
        actions.append({"add": {"index": target, "alias": alias}})
    for name, told in sorted(origin.aliases.items()):
        if not origin.concrete:
            actions.append({"remove": {"index": origin.index, "alias": name}})
        properties = {key: told[key] for key in _PROPERTIES if key in told}
        actions.append({"add": {"index": target, "alias": name, **properties}})
    return actions
