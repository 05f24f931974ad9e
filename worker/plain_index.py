"""The way almost every job goes: plain `index` actions as our client writes them, read without building
their documents. Pure.

A document's bytes go into the bulk request as they came. They are parsed once, to see that they are one
JSON object and nothing else, and the parsed form is thrown away: Elasticsearch reports what it thinks of
the members. Everything that looks in the least different takes the long way (`intake.read_call`), which
also has the words for what is wrong.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from jobs.models import MOST_BULK_ACTIONS
from jobs.names import (
    MAX_ID_BYTES,
    MAX_INDEX_NAME_BYTES,
    MAX_ROUTING_BYTES,
    check_index_name,
    check_length,
)

from .actions import Action, ActionKind

# As `jobs.envelope.encode_job` writes it and `jobs/enqueue.lua` stores it.
_TEXT = rb'"([^"\\\x00-\x1f]*(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*)*)"'
_INDEX = rb'"index":' + _TEXT
_ID = rb'"id":' + _TEXT + rb'(?:,"routing":' + _TEXT + rb")?"
_HEAD = rb'P1 ([0-9]{1,16}) (%s)\n\{"f":"%s","t":null,"a":\[\],"et":(0|[1-9][0-9]{0,12}),"k":\{'
_ONE = re.compile(_HEAD % (rb"[!-~]+", b"index") + _INDEX + b"," + _ID + rb',"document":(?=\{)')
_ONE_END = b"}}"
_MANY = re.compile(_HEAD % (rb"[!-~ ]+", b"bulk") + _INDEX + rb',"actions":\[\n')
_MANY_END = b"\n]}}"
# One action of a bulk stands on one line, so that its document can be cut out.
_ACTION = re.compile(rb'\{"op":"index",' + _ID + rb',"document":(?=\{)')


class PlainJob(NamedTuple):
    """The actions of a job that only writes whole documents, and when it was enqueued (ms since 1970)."""

    name: str
    enqueued_ms: int
    actions: list[Action]


def read_plain(raw: bytes, max_bytes: int) -> PlainJob | None:
    """What is stored for a job; None for a job that is not plain, or of more than `max_bytes`."""
    if len(raw) > max_bytes:
        return None
    try:
        return _read_one(raw) if raw.endswith(_ONE_END) and not raw.endswith(_MANY_END) else _read_many(raw)
    except ValueError:  # no JSON, no UTF-8
        return None


def _read_one(raw: bytes) -> PlainJob | None:
    found = _ONE.match(raw)
    if found is None:
        return None
    body = raw[found.end() : -len(_ONE_END)]
    number, key, enqueued_ms, index, id, routing = found.groups()
    if b"\n" in body or type(orjson.loads(body)) is not dict:
        return None
    action = _action(_index(index), id, routing, key.decode(), int(number), body)
    return PlainJob("index", int(enqueued_ms), [action])


def _read_many(raw: bytes) -> PlainJob | None:
    found = _MANY.match(raw)
    if found is None or not raw.endswith(_MANY_END):
        return None
    number, spaced, enqueued_ms, index_bytes = found.groups()
    index, keys = _index(index_bytes), spaced.decode().split()
    # Every line but the last ends with a comma; with one more they are all alike.
    lines = (raw[found.end() : -len(_MANY_END)] + b",").split(b"\n")
    if len(lines) != len(keys) or len(keys) > MOST_BULK_ACTIONS:
        return None
    actions: list[Action] = []
    for n, (line, key) in enumerate(zip(lines, keys, strict=True), int(number)):
        action = _ACTION.match(line)
        if action is None or not line.endswith(b"},"):
            return None
        body = line[action.end() : -2]
        if type(orjson.loads(body)) is not dict:
            return None
        actions.append(_action(index, action[1], action[2], key, n, body))
    return PlainJob("bulk", int(enqueued_ms), actions)


def _action(index: str, id: bytes, routing: bytes | None, key: str, number: int, body: bytes) -> Action:
    """Raises ValueError where the id or the routing is none that the models take."""
    routed = None if routing is None else _text(routing, "a routing", MAX_ROUTING_BYTES)
    return Action(
        ActionKind.INDEX, index, _text(id, "an id", MAX_ID_BYTES), key, number, body, routing=routed
    )


def _index(inside: bytes) -> str:
    return check_index_name(_text(inside, "an index name", MAX_INDEX_NAME_BYTES))


def _text(inside: bytes, what: str, most_bytes: int) -> str:
    """The text between the quotes of a JSON string; nearly every one has no escapes."""
    if b"\\" in inside:
        return check_length(orjson.loads(b'"%b"' % inside), what, most_bytes)
    if not 0 < len(inside) <= most_bytes:
        raise ValueError(f"{what} has from 1 to {most_bytes} bytes")
    return inside.decode()
