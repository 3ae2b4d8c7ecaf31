"""Releases: a row that can't go back is left to its lease."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.store_postgres.jobs.bench import Bench, logged

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobTable


@pytest.fixture
def table() -> JobTable:
    return JobTable(backend="api", table="job", timeout=1.0, lease_margin=1.0)


async def test_a_row_that_cant_go_back_stops_no_runner_and_is_left_to_its_lease(
    bench: Bench, new_job: Any, sql: Any, quoted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One pending job for each record, says the user: there is one, and another is processing."""
    await sql.execute(f"CREATE UNIQUE INDEX lone ON {quoted}.job (assigned_to) WHERE status = 'pending'")
    later = datetime.now(UTC) + timedelta(hours=1)
    async with bench.runner() as runner, asyncio.timeout(60):
        (stray,) = await bench.store.add([new_job(assigned_to="thread:1")])
        await bench.until(stray, lambda now: now.is_terminal)
        await bench.store.add([new_job(assigned_to="thread:1", run_at=later)])
        await sql.execute(
            f"UPDATE {quoted}.job SET status = 'processing', lease_until = now() + interval '1 hour', "
            "runner_id = $1 WHERE id = $2",
            runner.runner_id,
            stray.id[-36:],
        )
        await logged(caplog, f"job {stray.id} can't be released")
        for _ in range(3):
            (job,) = await bench.store.add([new_job()])
            await bench.until(job, lambda now: now.is_terminal)
        await sql.execute(f"UPDATE {quoted}.job SET lease_until = now() WHERE id = $1", stray.id[-36:])
        ended = await bench.until(stray, lambda now: now.is_terminal)
    assert (ended.status, ended.errors[-1].name) == (JobStatus.FAILED, "invalid_row")
    assert "can't claim" not in caplog.text
    assert "can't look after" not in caplog.text
