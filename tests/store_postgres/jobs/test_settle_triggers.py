"""Triggers and policies that refuse an outcome cost its row; broken ones cost no job."""

from typing import Any

import pytest
from tests.store_postgres.jobs.bench import MEANT

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.job.state_machine import decide
from sp00ky_core.ports import Settlement
from sp00ky_store_postgres import PostgresStore


@pytest.fixture
def trigger(sql: Any, quoted: str) -> Any:
    async def make(body: str, when: str) -> None:
        await sql.execute(
            f"CREATE FUNCTION {quoted}.mine() RETURNS trigger LANGUAGE plpgsql AS $f$ DECLARE x text; "
            f"BEGIN IF {when} THEN {body}; END IF; RETURN NEW; END $f$;"
            f"CREATE TRIGGER mine BEFORE UPDATE ON {quoted}.job FOR EACH ROW EXECUTE FUNCTION {quoted}.mine()"
        )

    return make


def delivered(job: Job) -> Settlement:
    transition = decide(job, Delivered(), RetryPolicy())
    return Settlement(
        job_id=job.id, backend="api", epoch=job.lease_epoch, runner_id=job.runner_id, transition=transition
    )


@pytest.mark.parametrize("body", MEANT.values(), ids=MEANT)
async def test_a_row_that_a_trigger_keeps_from_success_costs_no_other(
    store: PostgresStore, new_job: Any, trigger: Any, body: str
) -> None:
    await store.add([new_job(path="/bad" if n == 4 else "/spookify") for n in range(10)])
    jobs = await store.claim({"api": 10}, "r1")
    await trigger(body, "NEW.status = 'success' AND NEW.path = '/bad'")
    assert {each.fate for each in await store.settle([delivered(job) for job in jobs])} == {"settled"}
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
        assert {each.fate for each in await barred.settle([delivered(job) for job in jobs])} == {"settled"}
        assert (await barred.get(jobs[4].id)).status is JobStatus.FAILED
    finally:
        await barred.close()
        await sql.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_trigger_that_is_broken_for_every_row_fails_no_job(
    store: PostgresStore, new_job: Any, trigger: Any, sql: Any, quoted: str
) -> None:
    """Nobody meant it to refuse anything: outcomes are kept until it is mended."""
    await store.add([new_job() for _ in range(5)])
    jobs = await store.claim({"api": 5}, "r1")
    await trigger("PERFORM audit()", "NEW.status = 'success'")
    for batch in (jobs, jobs[:1]):
        with pytest.raises(
            StoreError, match=r"audit\(\) does not exist \(PL/pgSQL function .*mine\(\)"
        ) as caught:
            await store.settle([delivered(job) for job in batch])
        assert "migrate" not in str(caught.value)
    assert {(await store.get(job.id)).status for job in jobs} == {JobStatus.PROCESSING}
    await sql.execute(f"DROP TRIGGER mine ON {quoted}.job")
    assert {each.fate for each in await store.settle([delivered(job) for job in jobs])} == {"settled"}
