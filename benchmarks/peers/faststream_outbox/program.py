"""Run faststream-outbox, with the terminal deletes batched as its page on performance says."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from faststream_outbox import (  # type: ignore[import-not-found]  # in its own environment only
    OutboxBroker,
    make_outbox_table,
    outbox_autovacuum_ddl,
)
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.peers.protocol import Add, Begin, main, performer

QUEUE = "spookify"
WORKERS = 16
"""Of 4, 8, 16 and 50 the fastest; each has a connection of its own."""

FETCHED, DELETED = 500, 100
"""Rows a fetch claims, and rows a DELETE takes away."""


def _broker(url: str) -> tuple[Any, Any, MetaData]:
    metadata = MetaData()
    table = make_outbox_table(metadata)
    address = url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(address, pool_size=WORKERS + 4)
    return engine, OutboxBroker(engine, outbox_table=table, logger=None, log_level=logging.ERROR), metadata


class FaststreamOutbox:
    async def tables(self, url: str) -> None:
        engine, _, metadata = _broker(url)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.execute(text(outbox_autovacuum_ddl("outbox")))
        await engine.dispose()

    @asynccontextmanager
    async def producer(self, url: str, *, single: bool) -> AsyncIterator[Add]:
        engine, broker, _ = _broker(url)
        async with engine.connect() as connection:

            async def add_one(payloads: list[dict[str, Any]]) -> None:
                async with connection.begin():
                    await broker.publish(payloads[0], queue=QUEUE, session=connection)

            async def add_many(payloads: list[dict[str, Any]]) -> None:
                async with connection.begin():
                    await broker.publish_batch(*payloads, queue=QUEUE, session=connection)

            yield add_one if single else add_many
        await engine.dispose()

    async def work(self, url: str, target: str, begin: Begin) -> None:
        _, broker, _ = _broker(url)
        async with performer(target) as perform:

            @broker.subscriber(  # type: ignore[untyped-decorator]  # it is in its own environment only
                QUEUE,
                max_workers=WORKERS,
                fetch_batch_size=FETCHED,
                terminal_flush_batch_size=DELETED,
                min_fetch_interval=0.01,
                max_fetch_interval=1.0,
            )
            async def each(body: dict[str, Any]) -> None:
                await perform(json.dumps(body).encode())

            await begin()
            await broker.start()
            await asyncio.Event().wait()


if __name__ == "__main__":
    main(FaststreamOutbox())
