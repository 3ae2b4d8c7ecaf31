"""Run procrastinate, with as many jobs at a time as everybody has, and finished jobs deleted at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from procrastinate import App, PsycopgConnector  # type: ignore[import-not-found]  # in its own environment only

from benchmarks.peers.protocol import SLOTS, Add, Begin, main, performer

TASK = "spookify"
CONNECTIONS = 10


def _app(url: str) -> App:
    return App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=CONNECTIONS))


class Procrastinate:
    async def tables(self, url: str) -> None:
        app = _app(url)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        app = _app(url)
        async with app.open_async():
            job = app.configure_task(TASK)

            async def add_one(payloads: list[dict[str, Any]]) -> None:
                await job.defer_async(payload=payloads[0])

            async def add_many(payloads: list[dict[str, Any]]) -> None:
                await job.batch_defer_async(*({"payload": payload} for payload in payloads))

            yield add_one if single else add_many

    async def work(self, url: str, target: str, begin: Begin) -> None:
        app = _app(url)
        async with app.open_async(), performer(target) as perform:

            @app.task(name=TASK)  # type: ignore[untyped-decorator]  # it is in its own environment only
            async def each(payload: dict[str, Any]) -> None:
                await perform(json.dumps(payload).encode())

            await begin()
            await app.run_worker_async(concurrency=SLOTS, delete_jobs="successful")


if __name__ == "__main__":
    main(Procrastinate())
