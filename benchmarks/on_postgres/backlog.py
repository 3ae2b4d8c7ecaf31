"""What a claim costs with a large backlog and a long history, and what a runner's memory is then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from statistics import median

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.processes import memory_mb
from benchmarks.programs import sp00ky_run, started
from benchmarks.project import opened, project
from benchmarks.report import Bound, Section
from benchmarks.server import backend
from benchmarks.setting import Setting
from sp00ky_core import Outbox

__all__ = ["run"]

BATCH = 100
FILL = """
INSERT INTO job (path, payload, status, run_at, created_at, updated_at, lease_epoch)
SELECT '/spookify', json_build_object('id', n), $2, at, at, at, CASE WHEN $2 = 'pending' THEN 0 ELSE 1 END
FROM (
    SELECT n, now() - interval '1 hour' + n * interval '1 millisecond' AS at FROM generate_series(1, $1) AS n
) AS new
"""


async def run(setting: Setting) -> Section:
    few, many = setting.count(10_000, 2_000), setting.count(1_000_000, 10_000)
    claims = setting.count(60, 10)
    with backend() as target:
        async with setting.postgres.database() as url, opened(store=url, base_url=target.url) as outbox:
            await _add(url, few, "pending")
            small = await _claim_us(outbox, claims)
            await _add(url, many - few, "pending")
            await _add(url, many, "success")
            large = await _claim_us(outbox, claims)
            with project(store=url, base_url=target.url) as config:
                now, most, rate = await _memory(sp00ky_run(config), target.count, setting.count(20, 3))
    return Section(
        title="A large backlog",
        rows=[
            {"": f"{few:,} pending", "claim µs/job": median(small)},
            {"": f"{many:,} pending, {many:,} delivered", "claim µs/job": median(large)},
        ],
        bounds=[
            Bound(
                what="claim with 1,000,000 pending and 1,000,000 delivered to 10,000 pending",
                measured=median(large) / median(small),
                at_most=1.3,
            ),
            Bound(what="runner's memory at most, MB", measured=most, at_most=100),
        ],
        note=f"{claims} claims of {BATCH} each. `sp00ky run` with that backlog delivered {rate:,.0f} jobs/s; "
        f"its resident memory was {now:.0f} MB at the end, {most:.0f} MB at most.",
        rounds={"small": small, "large": large},
    )


async def _add(url: str, rows: int, status: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(FILL, rows, status)
        # Autovacuum would do the same within a minute; here nobody waits for it.
        await connection.execute("VACUUM ANALYZE job")
    finally:
        await connection.close()


async def _claim_us(outbox: Outbox, claims: int) -> list[float]:
    """Microseconds per job of each claim; what is claimed stays claimed."""
    taken = []
    for number in range(claims + 3):
        start = time.perf_counter()
        jobs = await outbox.store.claim({"api": BATCH}, "bench")
        if number >= 3:  # the first ones prepare the statement
            taken.append((time.perf_counter() - start) / len(jobs) * 1e6)
    return taken


async def _memory(command: list[str], count: Callable[[], int], seconds: int) -> tuple[float, float, float]:
    async with started(command) as pid:
        await asyncio.sleep(seconds / 2)
        before = count()
        await asyncio.sleep(seconds / 2)
        rate = (count() - before) / (seconds / 2)
        now, most = memory_mb(pid)
    return now, most, rate
