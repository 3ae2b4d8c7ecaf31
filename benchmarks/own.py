"""Run what is compared with the peers, as programs: ours, what one would write by hand, a bare loop.

``python -m benchmarks.own KIND[:BACKENDS] TASK ...``, KIND an engine or one of ``KINDS``, or ``function``
and one of ``benchmarks/functions.py``; with the tasks of ``benchmarks/peers/protocol.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.byhand import deliver_by_hand
from benchmarks.peers.protocol import NOTHING, SLOTS, Add, Begin, main, payload, performer
from benchmarks.project import counting, opened
from sp00ky_core import NewJob, RunnerOptions
from sp00ky_core.cli.run import collect_seldom

NOWHERE = "http://127.0.0.1:9"
INSERT = "INSERT INTO job (path, payload) VALUES ('/spookify', $1)"
INSERT_MANY = "INSERT INTO job (path, payload) SELECT '/spookify', new FROM unnest($1::json[]) AS new"
FOR_EVER = 10**12


class Ours:
    def __init__(self, engine: str, backends: int = 1) -> None:
        self._engine = engine
        self._backends = backends

    async def tables(self, url: str) -> None:
        async with opened(store=url, base_url=NOWHERE, backends=self._backends):
            pass

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        async with opened(store=url, base_url=NOWHERE, backends=self._backends) as outbox:
            names = itertools.cycle(outbox.config.backends)

            async def add_one(payloads: list[dict[str, Any]]) -> None:
                await outbox.run("api", "/spookify", payloads[0])

            async def add_many(payloads: list[dict[str, Any]]) -> None:
                share = len(payloads) // self._backends
                for first in range(0, len(payloads), share):
                    new = [NewJob(path="/spookify", payload=body) for body in payloads[first : first + share]]
                    await outbox.run_many(next(names), new)

            yield add_one if single else add_many

    async def work(self, url: str, target: str, begin: Begin) -> None:
        nothing = target == NOTHING
        async with opened(
            store=url,
            base_url=NOWHERE if nothing else target,
            engine=self._engine,
            backends=self._backends,
            plugins=counting() if nothing else None,
        ) as outbox:
            await begin()
            async with outbox.runner(RunnerOptions()):
                collect_seldom()  # as `sp00ky run` does
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


class Function(Ours):
    """A runner whose jobs are a function of an application in its process, ``benchmarks/functions.py``."""

    def __init__(self, application: str) -> None:
        super().__init__("auto")
        scheme = "python" if application == "tasks" else "asgi"
        self._base_url = f"{scheme}://benchmarks.functions:{application}"

    async def work(self, url: str, target: str, begin: Begin) -> None:
        async with opened(store=url, base_url=self._base_url) as outbox:
            await begin()
            async with outbox.runner(RunnerOptions()):
                collect_seldom()
                await asyncio.Event().wait()


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
            await connection.execute(INSERT_MANY, [json.dumps(body) for body in payloads])

        yield add_one if single else add_many
        await connection.close()


KINDS: dict[str, type[Ours]] = {"bare": Bare, "byhand": ByHand, "inserts": Inserts}


def _program(kind: str, of: str) -> Ours:
    if kind == "function":
        return Function(of)
    return KINDS.get(kind, Ours)("httptools" if kind in KINDS else kind, int(of or 1))


if __name__ == "__main__":
    kind, _, of = sys.argv[1].partition(":")
    main(_program(kind, of), sys.argv[2:])
