"""Triggers and policies that refuse an outcome cost its row; broken ones cost no job."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.store_postgres.jobs.bench import MEANT

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_store_postgres import PostgresStore


async def fates(store: PostgresStore, jobs: Sequence[Job]) -> set[str]:
    """What becomes of these, delivered."""
    return {result.fate for result in await store.settle([settlement(job, Delivered()) for job in jobs])}


@pytest.mark.parametrize("body", MEANT.values(), ids=MEANT)
async def test_a_row_that_a_trigger_keeps_from_success_costs_no_other(
    store: PostgresStore, new_job: Any, rule: Any, body: str
) -> None:
    await store.add([new_job(path="/bad" if n == 4 else "/spookify") for n in range(10)])
    jobs = await store.claim({"api": 10}, "r1")
    await rule("NEW.status = 'success' AND NEW.path = '/bad'", body)
    assert await fates(store, jobs) == {"settled"}
    ended = [await store.get(job.id) for job in jobs]
    assert {(job.path, job.status) for job in ended} == {
        ("/bad", JobStatus.FAILED),
        ("/spookify", JobStatus.SUCCESS),
    }


async def test_a_row_that_a_policy_keeps_from_success_costs_no_other(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str, schema: str, make: Any, url: str, as_role: Any
) -> None:
    role = f"barred_{schema[-13:-1]}"
    await sql.execute(
        f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {quoted} TO {role};"
        f"GRANT ALL ON ALL TABLES IN SCHEMA {quoted} TO {role};"
        f"ALTER TABLE {quoted}.job ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY mine ON {quoted}.job USING (true) "
        "WITH CHECK (path <> '/bad' OR status <> 'success')"
    )
    barred = make(base=as_role(url, role))
    await barred.open()
    try:
        await barred.add([new_job(path="/bad" if n == 4 else "/spookify") for n in range(10)])
        jobs = await barred.claim({"api": 10}, "r1")
        assert await fates(barred, jobs) == {"settled"}
        assert (await barred.get(jobs[4].id)).status is JobStatus.FAILED
    finally:
        await barred.close()
        await sql.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_trigger_that_is_broken_for_every_row_fails_no_job(
    store: PostgresStore, new_job: Any, rule: Any, sql: Any, quoted: str
) -> None:
    """Nobody meant it to refuse anything: outcomes are kept until it is mended."""
    await store.add([new_job() for _ in range(5)])
    jobs = await store.claim({"api": 5}, "r1")
    await rule("NEW.status = 'success'", "PERFORM audit()")
    for batch in (jobs, jobs[:1]):
        with pytest.raises(
            StoreError, match=r"audit\(\) does not exist \(PL/pgSQL function .*mine\(\)"
        ) as caught:
            await store.settle([settlement(job, Delivered()) for job in batch])
        assert "migrate" not in str(caught.value)
    assert {(await store.get(job.id)).status for job in jobs} == {JobStatus.PROCESSING}
    await sql.execute(f"DROP TRIGGER mine ON {quoted}.job")
    assert await fates(store, jobs) == {"settled"}
