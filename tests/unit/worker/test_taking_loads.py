"""What a worker does with a `load`, with its source and without."""

from __future__ import annotations

from typing import Any, cast

import pytest

from jobs.envelope import document_key
from tests.sources import Rows
from worker.actions import ActionKind
from worker.intake import Call, Refused, Retried
from worker.registry import Registered
from worker.taking_loads import Loads, target_of

NOW = 1000.0
WAIT = 60.0
KEYS = (document_key("shop", "1"), document_key("shop", "2"))


def loads(*names: str, index: str = "shop") -> Loads:
    sources = {name: Registered(name, index, cast(Any, Rows())) for name in names}
    return Loads(sources, WAIT, lambda: NOW)


def call(*, age: float = 0.0, keys: tuple[str, ...] = (), ids: Any = ("1", "2"), **more: Any) -> Call:
    arguments = {"source": "rows", "ids": list(ids)}
    return Call("load", [], arguments, int((NOW - age) * 1000), None, 7 if keys else 5, keys, **more)


def test_where_the_source_is_known_the_documents_are_those_of_its_index() -> None:
    assert loads("rows").documents(call()) == list(KEYS)


def test_where_it_is_not_known_the_job_waits_and_is_refused_in_the_end() -> None:
    assert loads("other").documents(call(age=WAIT - 1)) is None
    assert loads("other").documents(call(age=WAIT)) == ()
    with pytest.raises(Refused) as refused:
        loads("other", "more").actions(call(age=WAIT))
    (rejection,) = refused.value.report.rejected
    assert rejection.type == "unknown_source"
    assert rejection.reason == "no worker had a source 'rows' to read it from; this one knows more, other"


def test_an_admitted_load_is_taken_apart() -> None:
    actions = loads("rows").actions(call(keys=KEYS))

    assert actions is not None
    assert [(one.kind, one.index, one.id, one.number, one.key, one.source) for one in actions] == [
        (ActionKind.LOAD, "shop", "1", 7, KEYS[0], "rows"),
        (ActionKind.LOAD, "shop", "2", 8, KEYS[1], "rows"),
    ]


@pytest.mark.parametrize("here", [loads("other"), loads("rows", index="elsewhere")])
def test_an_admitted_load_waits_where_it_would_be_written_to_another_index(here: Loads) -> None:
    assert here.actions(call(keys=KEYS, age=WAIT - 1)) is None
    with pytest.raises(Refused):
        here.actions(call(keys=KEYS, age=WAIT))
    assert target_of(call()) == "source:rows"


def test_a_wrong_payload_is_refused_whatever_is_known() -> None:
    for ask in (loads("rows").documents, loads("other").documents, loads("rows").actions):
        with pytest.raises(Refused, match="ids"):
            ask(call(ids=[]))


def test_a_load_can_not_keep_its_number() -> None:
    with pytest.raises(Refused, match="keep: a load reads what the source has now"):
        loads("rows").actions(call(keys=KEYS, retried=Retried("old", keep=True)))
