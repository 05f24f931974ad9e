"""A stand-in for Elasticsearch that gives the answers which a real one can't be made to give.

1. Every request goes on to the real one, whose answer comes back as it is.
2. For each `_bulk` request `wrong` is asked first; what it names happens in place of, or on top of, that.

Some answers hide that the request was executed; those make repeats visible.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, assert_never

import orjson
from aiohttp import ClientSession, TCPConnector, web

from tests.faults.proxy import HOST

_HEADERS = {"X-Elastic-Product": "Elasticsearch"}
_JSON = "application/vnd.elasticsearch+json;compatible-with=9"
_MOST_BYTES = 256 * 1024 * 1024
# Headers of the connection, and of a body that has been unpacked.
_NOT_OURS = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-encoding",
    "accept-encoding",
}


class Wrong(StrEnum):
    """What can be wrong with the answer to a bulk request."""

    THROTTLED = "429 for the whole request, not executed"
    UNAVAILABLE = "503 for the whole request, not executed"
    FAILED = "500 for the whole request, not executed"
    REFUSED = "400 for the whole request, not executed"
    TOO_LARGE = "413 for the whole request, not executed"
    ITEMS_THROTTLED = "429 for every third item; the others are executed"
    SHORT = "executed; the answer leaves out the last half of the items"
    LONG = "executed; the answer has more items than there were actions"
    TRUNCATED = "executed; the answer ends in the middle of its JSON"
    HTML = "executed; the answer is the page of some proxy, with status 200"
    GATEWAY = "executed; the answer is a 502 of some proxy"
    SLOW = "executed; the answer comes after `slow_seconds`"


class StandIn:
    """Listens on `port` and forwards to `upstream`, a port as well. `happened` counts what was done."""

    def __init__(self, upstream: int, *, slow_seconds: float = 30.0) -> None:
        self.upstream = upstream
        self.wrong: Callable[[bytes], Wrong | None] = lambda body: None
        self.happened: Counter[Wrong] = Counter()
        self.port = 0
        self._slow_seconds = slow_seconds
        self._closing = asyncio.Event()

    async def listen(self) -> None:
        self._session = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        self._closing.set()
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        wrong = self.wrong(body) if request.path.endswith("/_bulk") else None
        try:
            if wrong is None:
                status, answer, kind = await self._forward(request, body)
                return _answer(status, answer, kind)
            self.happened[wrong] += 1
            return await self._go_wrong(wrong, request, body)
        except OSError as error:
            return _failure(503, "upstream_unavailable", str(error))

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, bytes, str]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_OURS}
        headers["Accept-Encoding"] = "identity"  # the answers are taken apart here
        url = f"http://{HOST}:{self.upstream}{request.path_qs}"
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers.get("Content-Type", _JSON)

    async def _go_wrong(self, wrong: Wrong, request: web.Request, body: bytes) -> web.Response:
        match wrong:
            case Wrong.THROTTLED:
                return _failure(429, "es_rejected_execution_exception", "too busy", {"Retry-After": "1"})
            case Wrong.UNAVAILABLE:
                return _failure(503, "unavailable_shards_exception", "no primary")
            case Wrong.FAILED:
                return _failure(500, "null_pointer_exception", "a defect that one action sets off")
            case Wrong.REFUSED:
                return _failure(400, "illegal_argument_exception", "an action of this request is malformed")
            case Wrong.TOO_LARGE:
                return web.Response(status=413, headers=_HEADERS)
            case Wrong.ITEMS_THROTTLED:
                return await self._throttle_items(request, body)
            case Wrong.SHORT | Wrong.LONG | Wrong.TRUNCATED | Wrong.HTML | Wrong.GATEWAY | Wrong.SLOW:
                status, answer, kind = await self._forward(request, body)
                return await self._distort(wrong, status, answer, kind)
            case _:
                assert_never(wrong)

    async def _distort(self, wrong: Wrong, status: int, answer: bytes, kind: str) -> web.Response:
        """The answer to what has been executed, as nobody should send it."""
        match wrong:
            case Wrong.SHORT | Wrong.LONG:
                return _answer(status, _with_other_items(wrong, answer), kind)
            case Wrong.TRUNCATED:
                return _answer(status, answer[: len(answer) // 2], kind)
            case Wrong.HTML:
                return _answer(200, b"<html><body>Please sign in</body></html>", "text/html")
            case Wrong.GATEWAY:
                return _answer(502, b"<html><body>Bad gateway</body></html>", "text/html")
            case _:
                await _first_of(self._closing, self._slow_seconds)
                return _answer(status, answer, kind)

    async def _throttle_items(self, request: web.Request, body: bytes) -> web.Response:
        """Send two thirds of the actions on; every third one is answered with 429."""
        actions = list(_actions(body))
        passed = [lines for number, (_, lines) in enumerate(actions) if number % 3]
        items: Iterator[Any] = iter(())
        if passed:
            status, answer, kind = await self._forward(request, b"".join(passed))
            if status != 200:
                return _answer(status, answer, kind)
            items = iter(orjson.loads(answer)["items"])
        error = {"type": "es_rejected_execution_exception", "reason": "rejected execution of a bulk item"}
        merged = [
            next(items) if number % 3 else {op: {"status": 429, "error": error}}
            for number, (op, _) in enumerate(actions)
        ]
        return _answer(200, orjson.dumps({"took": 1, "errors": True, "items": merged}), _JSON)


def _actions(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The operation of each action of a bulk body, and its lines."""
    lines = iter(body.splitlines(keepends=True))
    for header in lines:
        (operation,) = orjson.loads(header)
        yield operation, header if operation == "delete" else header + next(lines)


def _with_other_items(wrong: Wrong, answer: bytes) -> bytes:
    content = orjson.loads(answer)
    items = content.get("items", [])
    content["items"] = items[: len(items) // 2] if wrong is Wrong.SHORT else [*items, *items[:1]]
    return orjson.dumps(content)


def _answer(status: int, body: bytes, kind: str) -> web.Response:
    return web.Response(status=status, body=body, headers=_HEADERS | {"Content-Type": kind})


def _failure(status: int, type: str, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    body = orjson.dumps({"error": {"type": type, "reason": reason}, "status": status})
    return web.Response(
        status=status, body=body, headers=_HEADERS | {"Content-Type": _JSON} | (headers or {})
    )


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not longer than so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
