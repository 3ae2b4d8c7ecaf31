"""How fast jobs are delivered over HTTP, beside the HTTP client alone, and what one would write by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable

import aiohttp

from benchmarks.byhand import deliver_by_hand
from benchmarks.measure import Contender, Sample, Stopwatch, in_turns, median_ratio
from benchmarks.project import SLOTS, fill, opened, truncate, until_delivered
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.server import Backend, backend
from benchmarks.setting import Setting
from sp00ky_core import Outbox, RunnerOptions

__all__ = ["run", "ours", "counted", "OURS", "PGQUEUER"]

BARE, BY_HAND = "bare aiohttp loop", "the same, claims and settles by hand"
OURS, PGQUEUER = "ours", "pgqueuer"


async def run(setting: Setting) -> Section:
    jobs = setting.count(20_000, 500)
    with backend() as target:
        async with (
            setting.postgres.database() as url,
            opened(store=url, base_url=target.url) as outbox,
        ):
            contenders: dict[str, Contender] = {
                BARE: lambda: bare(target.url, jobs),
                BY_HAND: lambda: _after(fill(outbox, jobs), lambda: deliver_by_hand(url, target.url, jobs)),
                OURS: lambda: ours(outbox, jobs),
            }
            if setting.peers:
                peers = setting.peers
                await peers.install_tables(url)
                contenders[PGQUEUER] = lambda: peers.sample("deliver", url, target.url, jobs)
            checked = {name: counted(contender, target) for name, contender in contenders.items()}
            samples = await in_turns(checked, setting.rounds, before=lambda: _clean(setting, url))
    return Section(
        title="HTTP delivery, one process",
        rows=rate_rows(samples, BARE),
        bounds=[
            Bound(
                what="HTTP delivery to the bare aiohttp loop",
                measured=median_ratio(samples, OURS, BARE),
                at_least=0.8,
            )
        ],
        note=f"{jobs:,} jobs a round, {SLOTS} at a time, to {target.kind}.",
        rounds=samples,
    )


async def bare(target: str, jobs: int) -> Sample:
    """A loop that does nothing but POST."""
    numbers = iter(range(jobs))
    headers = {"Content-Type": "application/json"}

    async def work(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            body = json.dumps({"id": number}).encode()
            async with session.post(f"{target}/spookify", data=body, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        with Stopwatch() as watch:
            await asyncio.gather(*(work(session) for _ in range(SLOTS)))
    return watch.sample(jobs)


async def ours(outbox: Outbox, jobs: int) -> Sample:
    """A runner, from its start to the last success that is written."""
    await fill(outbox, jobs)
    watch = Stopwatch()
    with watch:
        runner = outbox.runner(RunnerOptions())
        await runner.start()
        await until_delivered(runner, jobs)
    await runner.drain()
    return watch.sample(jobs)


async def _after(first: Awaitable[object], then: Contender) -> Sample:
    await first
    return await then()


def counted(contender: Contender, target: Backend) -> Contender:
    """Whether each job made a request, and only one."""

    async def run() -> Sample:
        before = target.count()
        sample = await contender()
        if target.count() - before != sample.jobs:
            raise RuntimeError(f"{target.count() - before} requests for {sample.jobs} jobs")
        return sample

    return run


async def _clean(setting: Setting, url: str) -> None:
    await truncate(url)
    await setting.postgres.checkpoint()
