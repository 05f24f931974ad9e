"""A reader that asks an alias all the while, and remembers each answer that must not be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch

_PAUSE_SECONDS = 0.02
_UNAVAILABLE = 503


class Reader:
    """Asks for documents that are always there. `kept`: their ids and routings.

    `away`: the server may be away for a while; then no answer is none that must not be.
    """

    def __init__(
        self,
        client: AsyncElasticsearch,
        alias: str,
        kept: Mapping[str, str],
        seed: int,
        *,
        away: bool = False,
    ) -> None:
        self._client, self._alias, self._kept, self._away = client, alias, kept, away
        self._dice = random.Random(seed)
        self._versions: dict[str, int] = {}
        self.stop = asyncio.Event()
        self.asked = 0
        self.findings: list[str] = []

    async def run(self) -> None:
        """Until told to stop."""
        while not self.stop.is_set():
            try:
                await self._count()
                await self._get()
                self.asked += 1
            except ApiError as error:
                if not (self._away and error.status_code == _UNAVAILABLE):
                    self.findings.append(f"after {self.asked} rounds: {error}")
            except TransportError as error:
                if not self._away:
                    self.findings.append(f"after {self.asked} rounds: {error}")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _count(self) -> None:
        """Of what searches see."""
        answer = await self._client.count(index=self._alias, query={"ids": {"values": list(self._kept)}})
        if self._away and answer["_shards"]["failed"]:
            return
        if answer["count"] != len(self._kept):
            self.findings.append(f"after {self.asked} rounds: {answer.body} of {len(self._kept)}")

    async def _get(self) -> None:
        """One document as it is now: its versions never fall."""
        id = self._dice.choice(list(self._kept))
        named = {"routing": self._kept[id]} if self._kept[id] else {}
        answer = await self._client.get(index=self._alias, id=id, source=False, **named)
        before = self._versions.get(id, 0)
        if answer["_version"] < before:
            self.findings.append(f"{id} had version {before}, then {answer['_version']}")
        self._versions[id] = answer["_version"]
