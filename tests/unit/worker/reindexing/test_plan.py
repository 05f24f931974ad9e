"""What a reindex decides by itself: names, settings, the calls that create and swap."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobs import JobFailed
from worker.reindexing.plan import (
    Origin,
    check_home,
    check_whole,
    filling,
    flat,
    new_name,
    origin_of,
    restored,
    slices_of,
    swap_actions,
    wanted_settings,
)


def index(shards: int = 1, **members: Any) -> dict[str, Any]:
    return {"aliases": {}, "settings": {"index": {"number_of_shards": str(shards)}}, **members}


def test_an_alias_leads_to_its_index_with_all_names() -> None:
    aliases = {"products": {}, "cheap": {"filter": {"term": {"a": 1}}, "index_routing": "r"}}

    origin = origin_of("products", {"products-1": index(3, aliases=aliases)})

    assert origin == Origin("products-1", concrete=False, shards=3, aliases=aliases)
    assert origin.names == ("products-1", "cheap", "products")
    assert origin.routings == ("r",)


def test_a_name_gives_its_own_routing_to_what_has_none() -> None:
    aliases = {"products": {"index_routing": "r"}, "cheap": {"index_routing": "c"}, "all": {}}
    origin = Origin("products-1", concrete=False, shards=3, aliases=aliases)

    assert [origin.routing_by(name) for name in ("products", "all", "products-1")] == ["r", None, None]
    assert origin.places(None) == (None, "c", "r")
    assert origin.places("x") == ("x",)


def test_a_source_of_the_index_itself_is_refused_where_aliases_give_routings() -> None:
    routed = {"products": {"index_routing": "r"}}
    origin = Origin("products-1", concrete=False, shards=3, aliases=routed)

    with pytest.raises(JobFailed) as failed:
        check_home(origin, "products-1", "products")

    rejection = failed.value.report.rejected[0]
    assert (rejection.type, rejection.index) == ("ambiguous_routing", "products")
    assert "products-1" in rejection.reason
    check_home(origin, "products", "products")
    check_home(Origin("products-1", concrete=True, shards=3, aliases=routed), "products-1", "products-1")
    check_home(Origin("products-1", concrete=False, shards=3, aliases={}), "products-1", "products")


def test_an_index_of_the_very_name_is_concrete() -> None:
    assert origin_of("products", {"products": index()}).concrete


@pytest.mark.parametrize(
    ("found", "kind", "named"),
    [
        ({"a": index(), "b": index()}, "ambiguous_alias", "a, b"),
        ({}, "ambiguous_alias", "0 indices"),
        ({".ds-logs-1": index(data_stream="logs")}, "data_stream", "logs"),
    ],
)
def test_what_can_not_be_rebuilt_is_refused(found: dict[str, Any], kind: str, named: str) -> None:
    with pytest.raises(JobFailed) as failed:
        origin_of("products", found)

    rejection = failed.value.report.rejected[0]
    assert rejection.type == kind
    assert named in rejection.reason


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"mappings": {"_source": {"enabled": False}}}, "disabled"),
        ({"mappings": {"_source": {"mode": "disabled"}}}, "disabled"),
        ({"settings": {"index": {"mapping": {"source": {"mode": "disabled"}}}}}, "disabled"),
        ({"mappings": {"_source": {"includes": ["a", "b.*"]}}}, "_source.includes: a, b.*"),
        ({"mappings": {"_source": {"excludes": ["big"]}}}, "_source.excludes: big"),
    ],
)
def test_an_index_that_keeps_no_whole_sources_can_not_be_copied(members: dict[str, Any], named: str) -> None:
    told = index()
    told["settings"]["index"] |= members.pop("settings", {}).get("index", {})

    with pytest.raises(JobFailed) as failed:
        check_whole(origin_of("products", {"products-1": told | members}), "products")

    rejection = failed.value.report.rejected[0]
    assert rejection.type == "source_filtered"
    assert "products-1" in rejection.reason
    assert named in rejection.reason


def test_an_index_that_keeps_whole_sources_can_be_copied() -> None:
    kept = {"_source": {"mode": "synthetic", "includes": [], "excludes": []}}

    check_whole(origin_of("products", {"products-1": index(mappings=kept)}), "products")


def test_no_two_new_indices_have_one_name() -> None:
    moments = [datetime(2026, 11, 21, 12, 0, 0, microsecond, UTC) for microsecond in (1, 2)]

    names = [new_name("products", moment) for moment in moments]

    assert names == ["products-20261121120000000001", "products-20261121120000000002"]


def test_settings_may_be_given_in_any_of_elasticsearchs_ways() -> None:
    assert flat({"index": {"a": 1}, "index.b": 2, "c": 3}) == {"a": 1, "b": 2, "c": 3}


def test_an_index_fills_without_refresh_and_replicas_and_gets_its_own_back() -> None:
    wanted = wanted_settings({"index": {"number_of_replicas": 2}, "refresh_interval": "7s"}, "1h")

    assert filling(wanted) == {
        "gc_deletes": "1h",
        "number_of_replicas": 0,
        "refresh_interval": "-1",
        "auto_expand_replicas": False,
    }
    assert restored(wanted) == {
        "number_of_replicas": 2,
        "refresh_interval": "7s",
        "auto_expand_replicas": None,
    }


def test_the_settings_asked_for_decide_how_long_deletes_are_remembered() -> None:
    assert wanted_settings({"index.gc_deletes": "2h"}, "1h") == {"gc_deletes": "2h"}
    assert wanted_settings(None, "1h") == {"gc_deletes": "1h"}


@pytest.mark.parametrize(("wanted", "shards", "slices"), [(None, 1, 2), (None, 5, 5), (1, 5, 1), (7, 1, 7)])
def test_there_are_as_many_slices_as_shards_and_at_least_two(
    wanted: int | None, shards: int, slices: int
) -> None:
    assert slices_of(wanted, shards) == slices


def test_every_alias_moves_with_its_properties() -> None:
    told = {"filter": {"term": {"a": 1}}, "index_routing": "i", "search_routing": "s", "is_write_index": True}
    origin = Origin("old", concrete=False, shards=1, aliases={"products": {}, "other": told})

    assert swap_actions("products", origin, "new") == [
        {"remove": {"index": "old", "alias": "other"}},
        {"add": {"index": "new", "alias": "other", **told}},
        {"remove": {"index": "old", "alias": "products"}},
        {"add": {"index": "new", "alias": "products"}},
    ]


def test_a_concrete_index_goes_in_the_call_that_makes_the_alias() -> None:
    origin = Origin("products", concrete=True, shards=1, aliases={"other": {"is_hidden": True}})

    assert swap_actions("products", origin, "new") == [
        {"remove_index": {"index": "products"}},
        {"add": {"index": "new", "alias": "products"}},
        {"add": {"index": "new", "alias": "other", "is_hidden": True}},
    ]
