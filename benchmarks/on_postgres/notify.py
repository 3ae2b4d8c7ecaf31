"""Measure what NOTIFY costs those who enqueue: 16 writers, each committing one row at a time."""

from __future__ import annotations

import asyncio
import time

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.measure import Contender, Sample, Stopwatch, in_turns, median_ratio
from benchmarks.project import opened
from benchmarks.report import Section, rate_rows
from benchmarks.setting import Setting

__all__ = ["run"]

WRITERS = 16
ON, OFF = "with NOTIFY", "without"


async def run(setting: Setting) -> Section:
    seconds = setting.count(4, 1) / (4 if setting.short else 1)
    async with (
        setting.postgres.database() as url,
        opened(store=url, base_url="http://127.0.0.1:9") as outbox,
        asyncpg.create_pool(url, min_size=1, max_size=1) as admin,
    ):
        signals = outbox.store.work_signal()
        await anext(signals)  # it listens, as a runner does
        contenders: dict[str, Contender] = {
            OFF: lambda: _write(url, "off", seconds),
            ON: lambda: _write(url, "on", seconds),
        }

        async def clean() -> None:
            await admin.execute("TRUNCATE job")
            await setting.postgres.checkpoint()

        samples = await in_turns(contenders, setting.rounds, before=clean)
        await signals.aclose()
    ratio = median_ratio(samples, ON, OFF)
    return Section(
        title=f"NOTIFY: {WRITERS} writers",
        rows=rate_rows(samples, OFF),
        note=f"Transactions of one INSERT each, for {seconds:.0f} s a round; a store listens. "
        f"NOTIFY leaves {ratio:.0%} of the rate.",
        rounds=samples,
    )


async def _write(url: str, notify: str, seconds: float) -> Sample:
    settings = {"sp00ky.notify": notify}
    connections = [await asyncpg.connect(url, server_settings=settings) for _ in range(WRITERS)]
    with Stopwatch() as watch:
        ends = time.monotonic() + seconds
        counts = await asyncio.gather(*(_inserts(connection, ends) for connection in connections))
    for connection in connections:
        await connection.close()
    return watch.sample(sum(counts))


async def _inserts(connection: asyncpg.Connection, ends: float) -> int:
    count = 0
    while time.monotonic() < ends:
        await connection.execute("INSERT INTO job (path, payload) VALUES ('/spookify', $1)", '{"id": 1}')
        count += 1
    return count
