"""Runners on a database whose rules refuse what they write: what each rule costs, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core import hookimpl
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.plugins import Plugins
from sp00ky_core.ports import JobTable, OperatorFate
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.testing.outboxes import outbox_over
from sp00ky_core.testing.scripted import ScriptedTransport
from sp00ky_store_postgres import PostgresStore, refusals

# What takes seconds in production takes a fraction of one here.
FAST = RunnerOptions(poll=0.1, beat_interval=0.05, reclaim_after=0.1, prune_interval=0.2)


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


@pytest.fixture
def table() -> JobTable:
    return JobTable(backend="api", table="job", timeout=1.0, lease_margin=1.0)


@pytest.fixture
def rule(sql: Any, quoted: str) -> Any:
    """A trigger of a user's: ``await rule("status = 'success'", "RAISE 'no'")``, on what an update makes."""

    async def make(when: str, body: str) -> None:
        await sql.execute(
            f"CREATE OR REPLACE FUNCTION {quoted}.mine() RETURNS trigger LANGUAGE plpgsql AS "
            f"$f$ BEGIN IF {when} THEN {body}; END IF; RETURN NEW; END $f$;"
            f"CREATE TRIGGER mine BEFORE UPDATE ON {quoted}.job FOR EACH ROW EXECUTE FUNCTION {quoted}.mine()"
        )

    return make


@attrs.define
class Told:
    """An observer that keeps what it is told."""

    transitions: list[Any] = attrs.field(factory=list)

    @hookimpl
    def sp00ky_job_settled(self, transition: Any) -> None:
        self.transitions.append(transition)


@attrs.frozen
class Bench:
    """A runner over the test's store, whose requests are recorded."""

    store: PostgresStore
    table: JobTable
    folder: Path
    transport: ScriptedTransport = attrs.field(factory=ScriptedTransport)
    told: Told = attrs.field(factory=Told)

    def runner(self, **options: Any) -> Runner:
        plugins = Plugins()
        plugins.register(self.told, name="told", distribution="a-test")
        outbox = outbox_over(self.store, [self.table], self.folder, plugins=plugins)
        return outbox.runner(attrs.evolve(FAST, **options), transport=self.transport)

    async def until(self, job: Job, met: Callable[[Job], bool]) -> Job:
        async with asyncio.timeout(30):
            while not met(now := await self.store.get(job.id)):  # noqa: ASYNC110  # the row tells it first
                await asyncio.sleep(0.02)
        return now


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    while text not in caplog.text:  # noqa: ASYNC110  # a log sends no event
        await asyncio.sleep(0.02)


@pytest.fixture
def bench(store: PostgresStore, table: JobTable, tmp_path: Path) -> Bench:
    return Bench(store, table, tmp_path)


async def test_what_could_only_be_written_as_a_failure_counts_as_one(
    bench: Bench, new_job: Any, rule: Any
) -> None:
    await rule("NEW.status = 'success'", "RAISE 'no success'")
    (job,) = await bench.store.add([new_job()])
    async with bench.runner() as runner, asyncio.timeout(20):
        assert await runner.until_empty() == 1
    assert (runner.succeeded, runner.failed) == (0, 1)
    assert (await bench.store.get(job.id)).status is JobStatus.FAILED
    assert [each.to for each in bench.told.transitions] == [JobStatus.FAILED]


async def test_what_a_unique_index_of_a_users_refuses_is_sent_once_and_fails(
    bench: Bench, new_job: Any, sql: Any, quoted: str
) -> None:
    await sql.execute(
        f"CREATE UNIQUE INDEX once ON {quoted}.job ((payload ->> 'id')) WHERE status = 'success'"
    )
    jobs = await bench.store.add([new_job(max_retries=0) for _ in range(2)])
    async with bench.runner() as runner, asyncio.timeout(20):
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
    monkeypatch.setattr(refusals, "REST", 0.0)
    await rule("OLD.status = 'processing'", "RAISE 'hands off'")
    (job,) = await bench.store.add([new_job(max_retries=0)])
    async with bench.runner(), asyncio.timeout(30):
        await logged(caplog, f"job {job.id} can't be settled")  # as lost: its lease is over
        await logged(caplog, f"job {job.id}: lease lost: this outcome couldn't be written: hands off")
        assert f"job {job.id}: its outcome can't be written yet: hands off" in caplog.text
        assert (await bench.store.get(job.id)).status is JobStatus.PROCESSING
        await sql.execute(f"DROP TRIGGER mine ON {quoted}.job")
        ended = await bench.until(job, lambda now: now.is_terminal)
    assert (ended.status, ended.errors[-1].name) == (JobStatus.FAILED, "outcome_unknown")
    assert (len(bench.transport.attempts), ended.lease_epoch) == (1, 2)
    assert caplog.text.count("can't be settled") == 1


async def test_a_redrive_that_an_index_of_a_users_refuses_is_no_duplicate(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    await sql.execute(f"CREATE UNIQUE INDEX lone ON {quoted}.job (path) WHERE status = 'pending'")
    (job,) = await store.add([new_job()])
    await store.kill([job.id])
    await store.add([new_job()])
    before = await store.get(job.id)
    (result,) = await store.redrive([job.id])
    assert (result.fate, "lone" in str(result.problem)) == (OperatorFate.CHANGED, True)
    assert await store.get(job.id) == before


async def test_a_row_that_cant_go_back_stops_no_runner_and_is_left_to_its_lease(
    bench: Bench, new_job: Any, sql: Any, quoted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One pending job for each record, says the user: there is one, and another is processing."""
    await sql.execute(f"CREATE UNIQUE INDEX lone ON {quoted}.job (assigned_to) WHERE status = 'pending'")
    later = datetime.now(UTC) + timedelta(hours=1)
    async with bench.runner() as runner, asyncio.timeout(30):
        (stray,) = await bench.store.add([new_job(assigned_to="thread:1")])
        await bench.until(stray, lambda now: now.is_terminal)
        await bench.store.add([new_job(assigned_to="thread:1", run_at=later)])
        await sql.execute(
            f"UPDATE {quoted}.job SET status = 'processing', lease_until = now() + interval '2 s', "
            "runner_id = $1 WHERE id = $2",
            runner.runner_id,
            stray.id[-36:],
        )
        await logged(caplog, f"job {stray.id} can't be released")
        for _ in range(3):
            (job,) = await bench.store.add([new_job()])
            await bench.until(job, lambda now: now.is_terminal)
        ended = await bench.until(stray, lambda now: now.is_terminal)
    assert (ended.status, ended.errors[-1].name) == (JobStatus.FAILED, "invalid_row")
    assert "can't claim" not in caplog.text
    assert "can't look after" not in caplog.text


async def test_rows_that_cant_be_reclaimed_hold_up_no_other(
    store: PostgresStore, new_job: Any, rule: Any, sql: Any, quoted: str
) -> None:
    jobs = await store.add([new_job(path="/bad"), new_job(path="/bad"), new_job()])
    await store.claim({"api": 3}, "gone")
    await sql.execute(f"UPDATE {quoted}.job SET lease_until = now() - interval '1 s'")
    await rule("OLD.path = '/bad'", "RAISE 'hands off'")
    reclaimed = [each.job_id for _ in range(3) for each in await store.reclaim({}, limit=2)]
    assert reclaimed == [jobs[2].id]
