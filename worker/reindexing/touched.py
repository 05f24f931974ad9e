"""The documents that jobs have touched while a reindex runs, and for as long as its old index is kept.

1. `Touching.start` names the indices. From then on the step that stores the end of a job on one of them, in
   whatever queue, adds its documents to the set (worker/lua/finish.lua), in the order of their latest touch.
2. The reindex takes the first ones, brings them up to date in the new index, and has them forgotten. One that
   was touched again meanwhile stays.
3. After the swap the set goes on for a rollback, up to a bound. Beyond it all of it is dropped: `overflowed`.

Only what ends through Penstock's own worker is seen: neither arq's stock worker nor foreign writers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from jobs import keys

from ..scripts import script
from ..touches import Wanted, member_of, read_member

_OVER = b"over"
# Documents that one call of Redis is given to forget: some ms, in which nobody else has Redis.
_FORGOTTEN_PER_CALL = 1000


class Unwatched(Exception):
    """Raised where jobs on some names may have ended without leaving their documents."""


class Touching:
    """Which index names are watched for which reindex. A reindex id holds no white space."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(script("touching"))

    async def start(self, reindex_id: str, names: Iterable[str]) -> None:
        """From now on no job on these names ends without its documents. Again changes nothing."""
        await self._say(reindex_id, "", "", names)

    async def rename(self, reindex_id: str, names: Iterable[str], *, most: int | None = None) -> None:
        """Watch these names in place of the earlier ones. `most`: documents that are kept from now on."""
        await self._say(reindex_id, "" if most is None else most, "", names)

    async def stop(self, reindex_id: str) -> None:
        """Watch nothing more, and drop what was touched."""
        await self._say(reindex_id, "", "1", ())

    async def names(self, reindex_id: str) -> frozenset[str]:
        """The names that are watched for a reindex; none after `stop`, or where its set has overflowed."""
        wanted = Wanted.read(await self._redis.get(keys.TOUCHING) or b"")
        return frozenset(name for name, reindexes in wanted.reindexes.items() if reindex_id in reindexes)

    async def check(self, reindex_id: str, names: Iterable[str]) -> None:
        """Raises Unwatched where one of these names is not watched: Redis has lost it, or it came later."""
        if unwatched := set(names) - await self.names(reindex_id):
            listed = ", ".join(sorted(unwatched))
            raise Unwatched(f"it is not known what jobs have written by the name of {listed}")

    async def _say(self, reindex_id: str, most: Any, drop: str, names: Iterable[str]) -> None:
        if not reindex_id or set(reindex_id) & set(" \n"):
            raise ValueError(f"reindex_id: expected text without white space, got {reindex_id!r}")
        arguments = [reindex_id, most, drop, *sorted(set(names))]
        await self._script(keys=[keys.TOUCHING, keys.TOUCHED], args=arguments)


class Touched(NamedTuple):
    """A document that was touched.

    `order` grows with every touch. `deleted_version`: the highest of the deletes that touched it, or 0.
    """

    id: str
    routing: str | None
    order: int
    deleted_version: int


class TouchedSet:
    """The documents that one reindex has to look at."""

    def __init__(self, redis: Redis, reindex_id: str) -> None:
        self._redis = redis
        self._set = f"{keys.TOUCHED}:{reindex_id}"
        self._deleted = f"{self._set}:deleted"
        self._forget = redis.register_script(script("forget"))

    async def count(self) -> int:
        """How many there are."""
        return int(await self._redis.zcard(self._set))

    async def first(self, number: int) -> list[Touched]:
        """Up to so many, those first that have not been touched for longest."""
        found = await self._redis.zrange(self._set, 0, number - 1, withscores=True)
        if not found:
            return []
        members: list[bytes] = [member for member, _ in found]
        versions = await self._redis.hmget(self._deleted, members)  # type: ignore[misc]
        return [
            Touched(*read_member(member), int(order), int(version or 0))
            for (member, order), version in zip(found, versions, strict=True)
        ]

    async def forget(self, touched: Sequence[Touched]) -> None:
        """Drop those that have not been touched again since `first` gave them out."""
        for start in range(0, len(touched), _FORGOTTEN_PER_CALL):
            arguments: list[Any] = []
            for one in touched[start : start + _FORGOTTEN_PER_CALL]:
                arguments += [member_of(one.id, one.routing), one.order]
            await self._forget(keys=[self._set, self._deleted], args=arguments)

    async def clear(self) -> None:
        """Drop all of them; what is touched from now on comes in again."""
        await self._redis.unlink(self._set, self._deleted, f"{self._set}:untold")

    async def overflowed(self) -> bool:
        """Whether more were touched than may be kept, so that none are."""
        return bool(await self._redis.get(f"{self._set}:bound") == _OVER)

    async def untold(self) -> list[str]:
        """Ids of ended jobs that may have changed documents which can't be told: large ones that killed their
        workers, or were aborted or refused after a worker had begun with them."""
        ids = await self._redis.smembers(f"{self._set}:untold")  # type: ignore[misc]
        return sorted(id.decode("utf-8", "backslashreplace") for id in ids)
