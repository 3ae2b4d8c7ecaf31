"""Runners on a database whose rules refuse what they write: what each rule costs, and what is logged."""

import asyncio
from typing import Any

import pytest
from tests.store_postgres.jobs.bench import Bench, logged

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.refused_writes import Quarantine


@pytest.fixture
def table() -> JobTable:
    return JobTable(backend="api", table="job", timeout=1.0, lease_margin=1.0)


async def test_what_a_unique_index_of_a_users_refuses_is_sent_once_and_fails(
    bench: Bench, new_job: Any, sql: Any, quoted: str
) -> None:
    await sql.execute(
        f"CREATE UNIQUE INDEX once ON {quoted}.job ((payload ->> 'id')) WHERE status = 'success'"
    )
    jobs = await bench.store.add([new_job(max_retries=0) for _ in range(2)])
    async with bench.runner() as runner, asyncio.timeout(60):
        assert await runner.until_empty() == 1
    ended = [await bench.store.get(job.id) for job in jobs]
    assert sorted(job.status for job in ended) == [JobStatus.FAILED, JobStatus.SUCCESS]
    assert [entry.name for job in ended for entry in job.errors] == ["invalid_row"]
    assert len(bench.transport.attempts) == 2


async def test_an_outcome_that_is_refused_in_every_form_is_never_sent_again(
    bench: Bench,
    new_job: Any,
    rule: Any,
    sql: Any,
    quoted: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(Quarantine.add.__kwdefaults__, "seconds", 0.0)  # REST, as it was defined with
    # A claim that comes too late to be started may be given back, and is claimed again.
    await rule("OLD.status = 'processing' AND NEW.status <> 'pending'", "RAISE 'hands off'")
    (job,) = await bench.store.add([new_job(max_retries=0)])
    async with bench.runner(), asyncio.timeout(60):
        await logged(caplog, f"job {job.id} can't be settled")  # as lost: its lease is over
        await logged(
            caplog, f"job {job.id}: lease lost: this outcome couldn't be written: "
        )  # or: its row is held
        # The second alone, where the lease was over by the first try.
        said = ("its outcome can't be written yet", "lease lost: this outcome couldn't be written")
        assert any(f"job {job.id}: {text}: hands off" in caplog.text for text in said)
        held = await bench.store.get(job.id)
        assert held.status is JobStatus.PROCESSING
        async with sql.transaction():  # from now on the whole is taken, and still no part of it
            await sql.execute(f"DROP TRIGGER mine ON {quoted}.job")
            await rule("json_array_length(NEW.errors) = 0", "RAISE 'hands off'")
        ended = await bench.until(job, lambda now: now.is_terminal)
    assert ended.status is JobStatus.FAILED
    # The second, where the rule changed between two forms of one reclaim: the whole was refused before.
    assert ended.errors[-1].name in ("outcome_unknown", "invalid_row")
    assert (len(bench.transport.attempts), ended.lease_epoch) == (1, held.lease_epoch + 1)
    assert caplog.text.count("can't be settled") == 1


async def test_a_drain_tells_how_many_outcomes_a_trigger_passed_over(
    bench: Bench, new_job: Any, rule: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_core.runner.runner.LAST_WRITES", 0.1)
    await rule("NEW.status = 'success'", "RETURN NULL")
    await bench.store.add([new_job()])
    async with bench.runner(grace=0.1):
        await bench.transport.began(1)
    assert "not everything was written in time, 1 outcomes wait" in caplog.text
