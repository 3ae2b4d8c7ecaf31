"""Run pgqueuer, with batches of the size that was fastest of 10 to 500, and a pool of connections."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
from pgqueuer import PgQueuer  # type: ignore[import-not-found]  # in its own environment only
from pgqueuer.models import Job  # type: ignore[import-not-found]  # in its own environment only
from pgqueuer.queries import Queries  # type: ignore[import-not-found]  # in its own environment only

from benchmarks.peers.protocol import NOTHING, Add, Begin, main, performer

ENTRYPOINT = "spookify"
BATCH_SENDING, BATCH_NOT_SENDING = 100, 500


class Pgqueuer:
    async def tables(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        await Queries.from_asyncpg_connection(connection).install()
        await connection.close()

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        connection = await asyncpg.connect(url)
        queries = Queries.from_asyncpg_connection(connection)

        async def add_one(payloads: list[dict[str, Any]]) -> None:
            await queries.enqueue(ENTRYPOINT, json.dumps(payloads[0]).encode())

        async def add_many(payloads: list[dict[str, Any]]) -> None:
            texts: list[bytes | None] = [json.dumps(payload).encode() for payload in payloads]
            await queries.enqueue([ENTRYPOINT] * len(texts), texts, [0] * len(texts))

        yield add_one if single else add_many
        await connection.close()

    async def work(self, url: str, target: str, begin: Begin) -> None:
        async with asyncpg.create_pool(url, min_size=4, max_size=8) as pool, performer(target) as perform:
            queuer = PgQueuer.from_asyncpg_pool(pool)

            @queuer.entrypoint(ENTRYPOINT)  # type: ignore[untyped-decorator]  # it is in its own environment only
            async def each(job: Job) -> None:
                await perform(job.payload)

            await begin()
            await queuer.run(batch_size=BATCH_NOT_SENDING if target == NOTHING else BATCH_SENDING)


if __name__ == "__main__":
    main(Pgqueuer())
