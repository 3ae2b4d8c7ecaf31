"""How fast jobs are enqueued, 1,000 at a time, beside bare INSERTs of the same rows."""

from __future__ import annotations

import json
from typing import Any

from surrealdb import RecordID

from benchmarks.inprocess import OURS
from benchmarks.measure import Sample, Stopwatch, in_turns, median_ratio, nothing
from benchmarks.project import fill, opened
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.setting import Setting
from benchmarks.surreal.database import Surreal, connected, rows, surreal
from sp00ky_core.stores.ids import new_key

__all__ = ["many"]

INSERTS = "bare INSERTs"
BATCH = 1_000
NOWHERE = "http://127.0.0.1:9"


async def many(setting: Setting) -> Section:
    jobs = setting.count(10_000, 2_000)
    with surreal() as server:
        contenders = {
            INSERTS: lambda: _inserts(server, jobs),
            OURS: lambda: _run_many(server, jobs),
        }
        samples = await in_turns(contenders, 2 * setting.rounds, before=nothing)
    ratio = median_ratio(samples, OURS, INSERTS)
    return Section(
        title="SurrealDB: enqueue, 1,000 at a time",
        rows=rate_rows(samples, INSERTS),
        bounds=[Bound(what="SurrealDB: run_many to bare INSERTs", measured=ratio, at_least=0.8)],
        note=f"{jobs:,} jobs a round; {server.kind} engine. Ours: making the jobs, checking each against its "
        "contract and returning it as it is stored included.",
        rounds=samples,
    )


async def _inserts(server: Surreal, jobs: int) -> Sample:
    """By the SDK: the same columns, into the same table, and nothing returned."""
    async with server.database() as url, opened(store=url, base_url=NOWHERE), connected(url) as connection:
        with Stopwatch() as watch:
            for first in range(0, jobs, BATCH):
                new = [_row(number) for number in range(first, min(first + BATCH, jobs))]
                await rows(connection, "INSERT INTO job $new RETURN NONE", new=new)
    return watch.sample(jobs)


def _row(number: int) -> dict[str, Any]:
    return {
        "id": RecordID("job", new_key()),
        "path": "/spookify",
        "payload": json.dumps({"id": number}),
        "status": "pending",
        "retries": 0,
        "max_retries": 3,
        "retry_strategy": "linear",
    }


async def _run_many(server: Surreal, jobs: int) -> Sample:
    async with server.database() as url, opened(store=url, base_url=NOWHERE) as outbox:
        with Stopwatch() as watch:
            await fill(outbox, jobs)
    return watch.sample(jobs)
