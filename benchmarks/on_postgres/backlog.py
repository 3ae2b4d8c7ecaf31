"""Measure what a claim costs with a large backlog and a long history."""

from __future__ import annotations

import time
from statistics import median

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.on_postgres.server import Postgres
from benchmarks.project import opened
from benchmarks.report import Bound, Section
from benchmarks.setting import Setting
from sp00ky_core import Outbox

__all__ = ["run", "add"]

BATCH = 100
FILL = """
INSERT INTO job (path, payload, status, run_at, created_at, updated_at, lease_epoch)
SELECT '/spookify', json_build_object('id', n, 'note', lpad(n::text, 170, '0')), $2, at, at, at,
    CASE WHEN $2 = 'pending' THEN 0 ELSE 1 END
FROM (
    SELECT n, now() - interval '1 hour' + n * interval '1 millisecond' AS at FROM generate_series(1, $1) AS n
) AS new
"""


async def run(setting: Setting) -> Section:
    """Claim with 10,000 waiting, then with 1,000,000 waiting and as many done."""
    few, many = setting.count(10_000, 2_000), setting.count(1_000_000, 10_000)
    claims = setting.count(60, 10)
    async with (
        setting.postgres.database() as url,
        opened(store=url, base_url="http://127.0.0.1:9") as outbox,
    ):
        await add(url, few, "pending")
        small = await _claim_us(outbox, claims, setting.postgres)
        await add(url, many - few, "pending")
        await add(url, many, "success")
        large = await _claim_us(outbox, claims, setting.postgres)
    return Section(
        title="A large backlog",
        rows=[
            {"": f"{few:,} pending", "claim µs/job": median(small)},
            {"": f"{many:,} pending, {many:,} delivered", "claim µs/job": median(large)},
        ],
        bounds=[
            Bound(
                what="claim with 1,000,000 waiting and 1,000,000 done, to 10,000",
                measured=median(large) / median(small),
                at_most=1.2,
            ),
        ],
        note=f"Medians of {claims} claims of {BATCH} each, from a checkpoint on.",
        rounds={"small": small, "large": large},
    )


async def add(url: str, rows: int, status: str) -> None:
    """Add rows to the job table, and vacuum it, as autovacuum would within a minute."""
    connection = await asyncpg.connect(url)
    try:
        # No client may insert what has ended.
        await connection.execute("ALTER TABLE job DISABLE TRIGGER USER")
        await connection.execute(FILL, rows, status)
        await connection.execute("ALTER TABLE job ENABLE TRIGGER USER")
        await connection.execute("VACUUM ANALYZE job")
    finally:
        await connection.close()


async def _claim_us(outbox: Outbox, claims: int, server: Postgres) -> list[float]:
    """Microseconds per job of each claim; what is claimed stays claimed.

    From a checkpoint on: else only the long queue's claims write each page whole to the WAL, for only its
    fill is so long that there is a checkpoint after its first pages.
    """
    await server.checkpoint()
    taken = []
    for number in range(claims + 3):
        start = time.perf_counter()
        jobs = await outbox.store.claim({"api": BATCH}, "bench")
        if number >= 3:  # the first ones prepare the statement
            taken.append((time.perf_counter() - start) / len(jobs) * 1e6)
    return taken
