"""Run DBOS: a workflow of no steps from a queue, with as many at a time as everybody has.

Its fastest documented settings: a queue that is polled often, without limits of the fleet, and a larger pool.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig  # type: ignore[import-not-found]  # in its own environment only

from benchmarks.peers.protocol import SLOTS, Add, Begin, main, performer

QUEUE, WORKFLOW, VERSION = "spookify", "spookify", "1"
CONNECTIONS = 20


def _launched(url: str) -> None:
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "sys_db_pool_size": CONNECTIONS,
        "application_version": VERSION,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()


class Dbos:
    async def tables(self, url: str) -> None:
        await asyncio.to_thread(_launched, url)
        await asyncio.to_thread(self._queue)
        DBOS.destroy()

    def _queue(self) -> None:
        DBOS.register_queue(QUEUE, worker_concurrency=SLOTS, polling_interval_sec=0.01)

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        client = DBOSClient(system_database_url=url.replace("postgresql://", "postgresql+psycopg://", 1))
        options = {"workflow_name": WORKFLOW, "queue_name": QUEUE, "app_version": VERSION}

        async def add(payloads: list[dict[str, Any]]) -> None:
            await asyncio.gather(*(client.enqueue_async(options, payload) for payload in payloads))

        yield add
        client.destroy()

    async def work(self, url: str, target: str, begin: Begin) -> None:
        async with performer(target) as perform:

            @DBOS.workflow(name=WORKFLOW)  # type: ignore[untyped-decorator]  # as above
            async def each(payload: dict[str, Any]) -> None:
                await perform(json.dumps(payload).encode())

            await begin()
            await asyncio.to_thread(_launched, url)
            await asyncio.to_thread(self._queue)
            await asyncio.Event().wait()


if __name__ == "__main__":
    main(Dbos())
