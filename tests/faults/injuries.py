"""What a run can suffer, each for a short while and then healed: one closed set, picked from by seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never

from embedded.server import Server
from tests.faults.fleet import AT_WORK
from tests.faults.harness import Harness
from tests.faults.proxy import Cut, Side, TcpProxy
from tests.faults.standin import StandIn, Wrong
from tests.processes import WorkerProcess


class Injury(StrEnum):
    """One way to hurt a run."""

    KILL_WORKER = "kill -9 of a worker; another one is started"
    PAUSE_WORKER = "a worker stands still, then goes on"
    STOP_WORKER = "SIGTERM to a worker; another one is started"
    KILL_REDIS = "kill -9 of Redis"
    PAUSE_REDIS = "Redis stands still"
    CUT_REDIS = "connections to Redis are cut at every k-th message"
    MUTE_REDIS = "connections to Redis go half-open"
    KILL_ELASTICSEARCH = "kill -9 of Elasticsearch"
    PAUSE_ELASTICSEARCH = "Elasticsearch stands still"
    CUT_ELASTICSEARCH = "connections to Elasticsearch are cut at every k-th message"
    DELAY_ELASTICSEARCH = "answers of Elasticsearch are late"
    THROTTLE = "429 for requests and for items"
    WRONG_ANSWERS = "short, long, truncated answers and pages of proxies"


# A second or two each; Elasticsearch takes ten to come back after a kill.
QUICK = tuple(injury for injury in Injury if injury is not Injury.KILL_ELASTICSEARCH)

_THROTTLES = (Wrong.THROTTLED, Wrong.ITEMS_THROTTLED, Wrong.UNAVAILABLE)
_DISTORTIONS = (Wrong.SHORT, Wrong.LONG, Wrong.TRUNCATED, Wrong.HTML, Wrong.GATEWAY)


class Injuries:
    """Inflicts injuries on a harness. `most_seconds` is how long one lasts at most."""

    def __init__(self, harness: Harness, stand_in: StandIn, seed: int, most_seconds: float) -> None:
        self._harness, self._stand_in = harness, stand_in
        self._dice = random.Random(seed)
        self._most_seconds = most_seconds

    async def rain(self, kinds: Sequence[Injury], work: asyncio.Task[None]) -> list[Injury]:
        """One after the other until the work is done; what it was."""
        suffered: list[Injury] = []
        while not work.done():
            suffered.append(self._dice.choice(kinds))
            await self.inflict(suffered[-1])
        return suffered

    async def inflict(self, injury: Injury) -> None:
        """One injury, healed at the end."""
        harness = self._harness
        match injury:
            case Injury.KILL_WORKER | Injury.PAUSE_WORKER | Injury.STOP_WORKER:
                await self._hurt_worker(injury, self._dice.choice(harness.fleet.alive))
            case Injury.KILL_REDIS | Injury.PAUSE_REDIS:
                await self._hurt_server(harness.redis_server, kill=injury is Injury.KILL_REDIS)
            case Injury.KILL_ELASTICSEARCH | Injury.PAUSE_ELASTICSEARCH:
                kill = injury is Injury.KILL_ELASTICSEARCH
                await self._hurt_server(harness.elasticsearch_server, kill=kill)
            case Injury.CUT_REDIS | Injury.MUTE_REDIS:
                await self._hurt_connections(harness.redis_proxy, injury)
            case Injury.CUT_ELASTICSEARCH | Injury.DELAY_ELASTICSEARCH:
                await self._hurt_connections(harness.elasticsearch_proxy, injury)
            case Injury.THROTTLE:
                await self._answer_wrongly(_THROTTLES)
            case Injury.WRONG_ANSWERS:
                await self._answer_wrongly(_DISTORTIONS)
            case _:
                assert_never(injury)

    async def _hurt_worker(self, injury: Injury, worker: WorkerProcess) -> None:
        fleet = self._harness.fleet
        if injury is Injury.PAUSE_WORKER:
            await fleet.pause(worker)
            await self._while()
            fleet.resume(worker)
            return
        fleet.launch()
        if injury is Injury.KILL_WORKER:
            fleet.kill(worker)
            return
        await worker.says(AT_WORK)
        fleet.stopped.append(await worker.stop())

    async def _hurt_server(self, server: Server, *, kill: bool) -> None:
        hurt, heal = (server.kill, server.start) if kill else (server.pause, server.resume)
        await asyncio.to_thread(hurt)
        await self._while()
        await asyncio.to_thread(heal)

    async def _hurt_connections(self, proxy: TcpProxy, injury: Injury) -> None:
        if injury is Injury.MUTE_REDIS:
            proxy.swallows = True
        elif injury is Injury.DELAY_ELASTICSEARCH:
            proxy.answer_delay_seconds = self._dice.uniform(0.1, 1.0)
        else:
            proxy.cut = Cut(self._dice.randint(2, 9), self._dice.choice(list(Side)))
        await self._while()
        proxy.heal()

    async def _answer_wrongly(self, kinds: Sequence[Wrong]) -> None:
        self._stand_in.wrong = lambda body: self._dice.choice((None, *kinds))
        await self._while()
        self._stand_in.wrong = lambda body: None

    async def _while(self) -> None:
        """As long as the injury lasts: a matter of chance, not of synchronisation."""
        await asyncio.sleep(self._dice.uniform(0.2, 1.0) * self._most_seconds)
