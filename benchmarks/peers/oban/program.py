"""Run Oban for Python: one queue with a slot for each request, and a pool of connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from oban import Job, Oban, Worker, worker  # type: ignore[import-not-found]  # in its own environment only
from oban.schema import install  # type: ignore[import-not-found]  # in its own environment only

from benchmarks.peers.protocol import SLOTS, Add, Begin, Perform, main, performer

QUEUE = "spookify"


@worker(queue=QUEUE)
class Spookify(Worker):  # type: ignore[misc]  # it is in its own environment only
    perform: Perform

    async def process(self, job: Job) -> None:
        await Spookify.perform(json.dumps(job.args).encode())


class ObanForPython:
    async def tables(self, url: str) -> None:
        pool = await Oban.create_pool(url)
        await install(pool)
        await pool.close()

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        pool = await Oban.create_pool(url, min_size=1)
        oban = Oban(pool=pool)

        async def add_one(payloads: list[dict[str, Any]]) -> None:
            await oban.enqueue(Spookify.new(payloads[0]))

        async def add_many(payloads: list[dict[str, Any]]) -> None:
            await oban.enqueue_many([Spookify.new(payload) for payload in payloads])

        yield add_one if single else add_many
        await pool.close()

    async def work(self, url: str, target: str, begin: Begin) -> None:
        pool = await Oban.create_pool(url, min_size=4, max_size=25)
        async with performer(target) as perform:
            Spookify.perform = staticmethod(perform)
            await begin()
            async with Oban(pool=pool, queues={QUEUE: SLOTS}):
                await asyncio.Event().wait()


if __name__ == "__main__":
    main(ObanForPython())
