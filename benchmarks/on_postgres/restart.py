"""Stop the server as by a crash in the middle of the deliveries, and start it again."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Sequence

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.project import fill, opened, until_delivered
from benchmarks.report import Bound, Section
from benchmarks.server import Answering
from benchmarks.setting import Setting
from sp00ky_core import Job, Outbox, RunnerOptions, hookimpl, load_plugins

__all__ = ["run"]

KEY = re.compile(rb"idempotency-key: *(\S+)", re.IGNORECASE)


class Claims:
    """A plugin: when this runner's claims came back."""

    def __init__(self) -> None:
        self.at: list[float] = []

    @hookimpl
    def sp00ky_jobs_claimed(self, jobs: Sequence[Job], runner_id: str) -> None:
        self.at.append(time.monotonic())


async def run(setting: Setting) -> Section:
    if not setting.postgres.is_own:
        return Section(title="Restart", rows=[{"": "left out: the server isn't ours to be stopped"}])
    jobs = setting.count(20_000, 1_000)
    requests: Counter[bytes] = Counter()
    claims = Claims()
    plugins = load_plugins()
    plugins.register(claims, name="claims", distribution="benchmarks")

    def seen(request: bytes) -> None:
        found = KEY.search(request)
        requests[found[1] if found else b"none"] += 1

    server = await asyncio.get_running_loop().create_server(lambda: Answering(seen), "127.0.0.1", 0)
    target = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        setting.postgres.database() as url,
        opened(store=url, base_url=target, plugins=plugins) as outbox,
    ):
        await fill(outbox, jobs)
        async with outbox.runner(RunnerOptions()) as runner:
            await until_delivered(runner, jobs // 4)
            accepting = await _restarted(setting, url)
            again = await _first_after(claims, accepting)
            failed = await runner.until_empty()
        ended = await _statuses(outbox)
    return _section(jobs, requests, ended, failed, again - accepting)


async def _restarted(setting: Setting, url: str) -> float:
    """When it accepted connections again; a monotonic instant."""
    await setting.postgres.stop_at_once()
    await asyncio.sleep(1)
    starting = asyncio.create_task(setting.postgres.start_again())
    while True:
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.005)
        else:
            accepting = time.monotonic()
            await connection.close()
            await starting
            return accepting


async def _first_after(claims: Claims, instant: float) -> float:
    while True:
        for at in claims.at:
            if at > instant:
                return at
        await asyncio.sleep(0.01)


async def _statuses(outbox: Outbox) -> dict[str, int]:
    stats = (await outbox.stats())["api"]
    return {"success": stats.success, "other": stats.pending + stats.processing + stats.failed}


def _section(
    jobs: int, requests: Counter[bytes], ended: dict[str, int], failed: int, seconds: float
) -> Section:
    twice = sum(requests.values()) - len(requests)
    return Section(
        title="PostgreSQL stopped (immediate) and started in the middle",
        rows=[
            {
                "": f"{jobs:,} jobs",
                "success": float(ended["success"]),
                "failed or left": float(ended["other"] + failed),
                "requests repeated": float(twice),
                "claims go on after, s": seconds,
            }
        ],
        bounds=[
            Bound(
                what="restart: share of jobs written as delivered",
                measured=ended["success"] / jobs,
                at_least=1,
            ),
            Bound(
                what="restart: share of jobs that reached the backend",
                measured=len(requests) / jobs,
                at_least=1,
            ),
            Bound(what="restart: s until claims go on", measured=seconds, at_most=2),
        ],
        note="A request is repeated where its answer could not be written before the job was claimed anew.",
        rounds={"jobs": jobs, "requests": len(requests), "repeated": twice, "seconds": seconds},
    )
