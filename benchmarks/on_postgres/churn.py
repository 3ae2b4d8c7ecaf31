"""Run for minutes at full speed: whether the tables and the rate stay as they are."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from benchmarks.project import fill, opened, without_sending
from benchmarks.report import Bound, Row, Section
from benchmarks.setting import Setting
from sp00ky_core import Outbox, Runner, RunnerOptions

__all__ = ["run"]

KEEP_SECONDS = 20
PENDING = 5_000
"""Jobs that wait at any time: the runner never idles, and a claim always has something to skip."""

SIZES = """
SELECT pg_relation_size('job') AS rows, pg_indexes_size('job') AS indexes, n_live_tup AS live,
    n_dead_tup AS dead, autovacuum_count AS vacuums
FROM pg_stat_user_tables WHERE relname = 'job'
"""


@attrs.frozen(kw_only=True)
class Look:
    """The table at one moment."""

    at: float  # seconds since the start
    delivered: int
    rows_mb: float
    indexes_mb: float
    live: int
    dead: int
    vacuums: int


async def run(setting: Setting) -> Section:
    period = setting.minutes * 60 / 10 if not setting.short else 1.0
    options = RunnerOptions(prune_interval=2.0)
    async with (
        setting.postgres.database() as url,
        opened(
            store=url, base_url="http://127.0.0.1:9", keep=f"{KEEP_SECONDS}s", plugins=without_sending()
        ) as outbox,
        outbox.runner(options) as runner,
    ):
        feeding = asyncio.create_task(_feed(outbox, runner))
        looks = await _watch(url, runner, period, periods=setting.count(10, 3))
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    return _section(looks, period)


async def _feed(outbox: Outbox, runner: Runner) -> None:
    fed = 0
    while True:
        if fed - runner.succeeded < PENDING:
            await fill(outbox, 1_000)
            fed += 1_000
        else:
            await asyncio.sleep(0.01)


async def _watch(url: str, runner: Runner, period: float, *, periods: int) -> list[Look]:
    connection = await asyncpg.connect(url)
    start = time.monotonic()
    looks = [_look(0.0, runner, await connection.fetchrow(SIZES))]
    try:
        for number in range(1, periods + 1):
            await asyncio.sleep(start + number * period - time.monotonic())
            at = time.monotonic() - start
            looks.append(_look(at, runner, await connection.fetchrow(SIZES)))
    finally:
        await connection.close()
    return looks


def _look(at: float, runner: Runner, row: Any) -> Look:
    return Look(
        at=at,
        delivered=runner.succeeded,
        rows_mb=row["rows"] / 1e6,
        indexes_mb=row["indexes"] / 1e6,
        live=row["live"],
        dead=row["dead"],
        vacuums=row["vacuums"],
    )


def _section(looks: list[Look], period: float) -> Section:
    rows = [_row(before, after) for before, after in pairwise(looks)]
    rates = [float(row["jobs/s"]) for row in rows]
    half = looks[len(looks) // 2]
    size = (looks[-1].rows_mb + looks[-1].indexes_mb) / (half.rows_mb + half.indexes_mb)
    return Section(
        title=f"Churn, {looks[-1].at / 60:.1f} minutes at full speed",
        rows=rows,
        bounds=[
            Bound(
                what=f"churn: rate of the last {period:.0f} s to the first",
                measured=rates[-1] / max(rates[0], 1.0),  # none at first, where the machine is busy
                at_least=0.9,
            ),
            Bound(what="churn: size at the end to that at half time", measured=size, at_most=1.2),
        ],
        note=f"One process enqueues and settles, {PENDING:,} jobs wait, delivered ones are kept for "
        f"{KEEP_SECONDS} s (`prune_interval=2`), and autovacuum does as the migration sets it.",
        rounds=looks,
    )


def _row(before: Look, after: Look) -> Row:
    return {
        "": f"{before.at:.0f} to {after.at:.0f} s",
        "jobs/s": (after.delivered - before.delivered) / (after.at - before.at),
        "rows, MB": after.rows_mb,
        "indexes, MB": after.indexes_mb,
        "live rows": float(after.live),
        "dead rows": float(after.dead),
        "vacuums so far": float(after.vacuums),
    }
