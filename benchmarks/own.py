"""Run what is compared with the peers: ours, what one would write by hand, a bare loop; as programs of their own.

``python -m benchmarks.own KIND TASK ...``, with the tasks of ``benchmarks/peers/protocol.py``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.byhand import deliver_by_hand
from benchmarks.peers.protocol import NOTHING, SLOTS, Add, Begin, Peer, main, payload, performer
from benchmarks.project import counting, opened
from sp00ky_core import NewJob, RunnerOptions

NOWHERE = "http://127.0.0.1:9"
INSERT = "INSERT INTO job (path, payload) VALUES ('/spookify', $1)"
FOR_EVER = 10**12


class Ours:
    def __init__(self, engine: str) -> None:
        self._engine = engine

    async def tables(self, url: str) -> None:
        async with opened(store=url, base_url=NOWHERE):
            pass

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        async with opened(store=url, base_url=NOWHERE) as outbox:

            async def add_one(payloads: list[dict[str, Any]]) -> None:
                await outbox.run("api", "/spookify", payloads[0])

            async def add_many(payloads: list[dict[str, Any]]) -> None:
                await outbox.run_many("api", [NewJob(path="/spookify", payload=each) for each in payloads])

            yield add_one if single else add_many

    async def work(self, url: str, target: str, begin: Begin) -> None:
        nothing = target == NOTHING
        plugins = counting() if nothing else None
        base_url = NOWHERE if nothing else target
        async with opened(store=url, base_url=base_url, engine=self._engine, plugins=plugins) as outbox:
            await begin()
            async with outbox.runner(RunnerOptions()):
                await asyncio.Event().wait()


class Bare(Ours):
    """A loop that does nothing but POST."""

    async def work(self, url: str, target: str, begin: Begin) -> None:
        async with performer(target) as post:
            await begin()

            async def loop() -> None:
                while True:
                    await post(json.dumps(payload(1)).encode())

            await asyncio.gather(*(loop() for _ in range(SLOTS)))


class ByHand(Ours):
    async def work(self, url: str, target: str, begin: Begin) -> None:
        await begin()
        await deliver_by_hand(url, target, FOR_EVER)


class Inserts(Ours):
    """The same rows, from a driver's connection, unchecked."""

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        connection = await asyncpg.connect(url)

        async def add_one(payloads: list[dict[str, Any]]) -> None:
            await connection.execute(INSERT, json.dumps(payloads[0]))

        async def add_many(payloads: list[dict[str, Any]]) -> None:
            await connection.executemany(INSERT, [(json.dumps(each),) for each in payloads])

        yield add_one if single else add_many
        await connection.close()


KINDS: dict[str, Peer] = {
    "httptools": Ours("httptools"),
    "aiohttp": Ours("aiohttp"),
    "bare": Bare("httptools"),
    "byhand": ByHand("httptools"),
    "inserts": Inserts("httptools"),
}

if __name__ == "__main__":
    main(KINDS[sys.argv[1]], sys.argv[2:])
