"""How fast jobs are enqueued, checked against their contract: 1,000 at a time, and one by one."""

from __future__ import annotations

import json
from statistics import median

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.delivery import OURS, PGQUEUER
from benchmarks.measure import Contender, Sample, Stopwatch, in_turns, median_ratio
from benchmarks.project import fill, opened, truncate
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.setting import Setting
from sp00ky_core import Outbox

__all__ = ["many", "one"]

INSERTS = "bare asyncpg INSERTs"
NOWHERE = "http://127.0.0.1:9"


async def many(setting: Setting) -> Section:
    jobs = setting.count(50_000, 2_000)
    async with setting.postgres.database() as url, opened(store=url, base_url=NOWHERE) as outbox:
        contenders: dict[str, Contender] = {OURS: lambda: _run_many(outbox, jobs)}
        samples = await _in_turns(setting, url, contenders, task="enqueue", jobs=jobs)
    rate = median(each.rate for each in samples[OURS])
    return Section(
        title="Enqueue, 1,000 at a time",
        rows=rate_rows(samples, PGQUEUER if setting.peers else OURS),
        bounds=[Bound(what="run_many, jobs/s", measured=rate, at_least=50_000)],
        note=f"{jobs:,} jobs a round. Ours: making the jobs and checking each against its contract included.",
        rounds=samples,
    )


async def one(setting: Setting) -> Section:
    jobs = setting.count(500, 100)
    async with setting.postgres.database() as url, opened(store=url, base_url=NOWHERE) as outbox:
        contenders: dict[str, Contender] = {
            INSERTS: lambda: _inserts(url, jobs),
            OURS: lambda: _run(outbox, jobs),
        }
        samples = await _in_turns(setting, url, contenders, task="enqueue-one", jobs=jobs, times=4)
    return Section(
        title="Enqueue, one by one",
        rows=rate_rows(samples, INSERTS),
        bounds=[
            Bound(what="run to bare INSERTs", measured=median_ratio(samples, OURS, INSERTS), at_least=0.75)
        ],
        note=f"{jobs:,} jobs a round, each in a transaction of its own, one after the other.",
        rounds=samples,
    )


async def _in_turns(
    setting: Setting, url: str, contenders: dict[str, Contender], *, task: str, jobs: int, times: int = 2
) -> dict[str, list[Sample]]:
    if setting.peers:
        peers = setting.peers
        await peers.install_tables(url)
        contenders[PGQUEUER] = lambda: peers.sample(task, url, jobs)

    async def clean() -> None:
        await truncate(url)
        await setting.postgres.checkpoint()

    return await in_turns(contenders, times * setting.rounds, before=clean)


async def _run_many(outbox: Outbox, jobs: int) -> Sample:
    with Stopwatch() as watch:
        await fill(outbox, jobs)
    return watch.sample(jobs)


async def _run(outbox: Outbox, jobs: int) -> Sample:
    with Stopwatch() as watch:
        for number in range(jobs):
            await outbox.run("api", "/spookify", {"id": number})
    return watch.sample(jobs)


async def _inserts(url: str, jobs: int) -> Sample:
    """The same rows, from a driver's connection, unchecked."""
    connection = await asyncpg.connect(url)
    statement = "INSERT INTO job (path, payload) VALUES ($1, $2)"
    with Stopwatch() as watch:
        for number in range(jobs):
            await connection.execute(statement, "/spookify", json.dumps({"id": number}))
    await connection.close()
    return watch.sample(jobs)
