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

from .actions import Action, ActionKind

# As `jobs.envelope.encode_job` writes it and `jobs/enqueue.lua` stores it. Names and ids are those that
# need neither escapes in JSON nor a second look at the rules for names.
_INDEX = rb'"index":"([a-z0-9][a-z0-9._-]{0,254})"'
_ID = rb'"id":"([^"\\\x00-\x1f]{1,512})"'
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
    number, key, enqueued_ms, index, id = found.groups()
    if b"\n" in body or type(orjson.loads(body)) is not dict:
        return None
    action = Action(ActionKind.INDEX, index.decode(), id.decode(), key.decode(), int(number), body)
    return PlainJob("index", int(enqueued_ms), [action])


def _read_many(raw: bytes) -> PlainJob | None:
    found = _MANY.match(raw)
    if found is None or not raw.endswith(_MANY_END):
        return None
    number, spaced, enqueued_ms, index_bytes = found.groups()
    index, keys = index_bytes.decode(), spaced.decode().split()
    # Every line but the last ends with a comma; with one more they are all alike.
    lines = (raw[found.end() : -len(_MANY_END)] + b",").split(b"\n")
    if len(lines) != len(keys):
        return None
    actions: list[Action] = []
    for n, (line, key) in enumerate(zip(lines, keys, strict=True), int(number)):
        action = _ACTION.match(line)
        if action is None or not line.endswith(b"},"):
            return None
        body = line[action.end() : -2]
        if type(orjson.loads(body)) is not dict:
            return None
        actions.append(Action(ActionKind.INDEX, index, action[1].decode(), key, n, body))
    return PlainJob("bulk", int(enqueued_ms), actions)
