"""pgqueuer's part; runs in its own environment, where nothing of ours is. Prints one JSON document.

``install URL`` | ``deliver URL TARGET N`` | ``noop URL N`` | ``enqueue URL N`` | ``enqueue-one URL N`` |
``serve URL TARGET``
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # it carries no types
import uvloop
from pgqueuer import PgQueuer  # type: ignore[import-not-found]  # in its own environment only
from pgqueuer.models import Job  # type: ignore[import-not-found]  # in its own environment only
from pgqueuer.queries import Queries  # type: ignore[import-not-found]  # in its own environment only
from pgqueuer.types import QueueExecutionMode  # type: ignore[import-not-found]  # in its own environment only

ENTRYPOINT = "spookify"
BATCH = {"deliver": 100, "noop": 500, "serve": 100}
"""Of 10, 50, 100, 200 and 500, the fastest each time."""
SLOTS = 100
HEADERS = {"Content-Type": "application/json"}


def measured(jobs: int, start: tuple[float, float]) -> dict[str, Any]:
    seconds, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"jobs": jobs, "seconds": seconds, "cpu_seconds": cpu}


def now() -> tuple[float, float]:
    gc.collect()
    return time.perf_counter(), time.process_time()


async def fill(pool: asyncpg.Pool, jobs: int) -> None:
    queries = Queries.from_asyncpg_pool(pool)
    for first in range(0, jobs, 1_000):
        numbers = range(first, min(first + 1_000, jobs))
        payloads: list[bytes | None] = [json.dumps({"id": number}).encode() for number in numbers]
        await queries.enqueue([ENTRYPOINT] * len(payloads), payloads, [0] * len(payloads))


async def install(url: str) -> None:
    connection = await asyncpg.connect(url)
    await Queries.from_asyncpg_connection(connection).install()
    await connection.close()


async def deliver(pool: asyncpg.Pool, target: str, jobs: int) -> dict[str, Any]:
    await fill(pool, jobs)
    connector = aiohttp.TCPConnector(limit=SLOTS)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await drained(pool, jobs, poster(session, target), batch=BATCH["deliver"])


async def noop(pool: asyncpg.Pool, jobs: int) -> dict[str, Any]:
    async def nothing(job: Job) -> None:
        pass

    await fill(pool, jobs)
    return await drained(pool, jobs, nothing, batch=BATCH["noop"])


def poster(session: aiohttp.ClientSession, target: str) -> Callable[[Job], Awaitable[None]]:
    async def post(job: Job) -> None:
        async with session.post(f"{target}/spookify", data=job.payload, headers=HEADERS) as response:
            await response.read()

    return post


async def drained(
    pool: asyncpg.Pool, jobs: int, perform: Callable[[Job], Awaitable[None]], *, batch: int
) -> dict[str, Any]:
    queuer = PgQueuer.from_asyncpg_pool(pool)
    queuer.entrypoint(ENTRYPOINT)(perform)
    start = now()
    await queuer.qm.run(batch_size=batch, mode=QueueExecutionMode.drain)
    return measured(jobs, start)


async def enqueue(pool: asyncpg.Pool, jobs: int) -> dict[str, Any]:
    start = now()
    await fill(pool, jobs)
    return measured(jobs, start)


async def enqueue_one(url: str, jobs: int) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    queries = Queries.from_asyncpg_connection(connection)
    start = now()
    for number in range(jobs):
        await queries.enqueue(ENTRYPOINT, json.dumps({"id": number}).encode())
    result = measured(jobs, start)
    await connection.close()
    return result


async def serve(pool: asyncpg.Pool, target: str) -> None:
    async with aiohttp.ClientSession() as session:
        queuer = PgQueuer.from_asyncpg_pool(pool)
        queuer.entrypoint(ENTRYPOINT)(poster(session, target))
        await queuer.qm.run(batch_size=BATCH["serve"])


async def main(task: str, url: str, *rest: str) -> Any:
    if task == "install":
        await install(url)
        return None
    if task == "enqueue-one":
        return await enqueue_one(url, int(rest[0]))
    tasks: dict[str, Callable[..., Awaitable[Any]]] = {
        "deliver": deliver,
        "noop": noop,
        "enqueue": enqueue,
        "serve": serve,
    }
    async with asyncpg.create_pool(url, min_size=4, max_size=8) as pool:
        if task != "serve":  # jobs of before are another measurement's
            await pool.execute("TRUNCATE pgqueuer, pgqueuer_log")
        return await tasks[task](pool, *(int(each) if each.isdecimal() else each for each in rest))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(uvloop.run(main(*sys.argv[1:]))))
