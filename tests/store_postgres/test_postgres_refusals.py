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
from sp00ky_core.cli.jobs import operating
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.plugins import Plugins
from sp00ky_core.ports import JobQuery, JobTable, OperatorFate
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.testing.outboxes import outbox_over
from sp00ky_core.testing.scripted import ScriptedTransport
from sp00ky_store_postgres import PostgresStore, refusals, retention

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


@pytest.fixture
def referred(sql: Any, quoted: str) -> Any:
    """A table of a user's that refers to jobs, some of which it is given."""

    async def make(job_ids: str) -> None:
        await sql.execute(
            f"CREATE TABLE {quoted}.doc (job uuid REFERENCES {quoted}.job (id));"
            f"INSERT INTO {quoted}.doc SELECT id FROM {quoted}.job WHERE {job_ids}"
        )

    return make


OLD = """
    INSERT INTO {table} (path, payload, status, updated_at)
    SELECT '/' || n, '{{}}', 'success', now() - interval '1 day' - n / 2 * interval '1 s'
    FROM generate_series(1, 50) AS n
"""


async def test_what_a_users_table_refers_to_is_kept_and_everything_else_is_pruned(
    make: Any, table: JobTable, sql: Any, quoted: str, referred: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tables = (table, JobTable(backend="mail", table="mail"))
    store = make(tables=tables)
    await store.open()
    await store.migrate()
    for each in tables:
        await sql.execute(OLD.format(table=f"{quoted}.{each.table}"))
    await sql.execute(f"INSERT INTO {quoted}.sp00ky_runner VALUES ('r', 'h', 1, '2020-01-01', '2020-01-01')")
    await referred("path IN ('/50', '/49', '/48', '/3')")
    counts = [await store.prune(limit=10) for _ in range(12)]
    await store.close()
    assert sum(counts) == 96
    assert await sql.fetchval(f"SELECT count(*) FROM {quoted}.job") == 4
    assert await sql.fetchval(f"SELECT count(*) FROM {quoted}.sp00ky_runner") == 0
    assert "and 2 more can't be deleted" in caplog.text


async def test_what_cant_be_deleted_by_a_clear_is_said_of_each(
    store: PostgresStore, new_job: Any, referred: Any
) -> None:
    jobs = await store.add([new_job() for _ in range(5)])
    await store.kill([job.id for job in jobs])
    await referred(f"id = '{jobs[1].id[-36:]}'")
    results = await store.clear([job.id for job in jobs])
    assert [each.fate for each in results] == ["cleared", "illegal", "cleared", "cleared", "cleared"]
    assert f"job {jobs[1].id} can't be deleted: " in str(results[1].problem)
    assert "foreign key" in str(results[1].problem)


async def test_what_was_kept_is_tried_again_after_a_while(
    store: PostgresStore, sql: Any, quoted: str, referred: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sql.execute(OLD.format(table=f"{quoted}.job"))
    await referred("path = '/50'")
    assert await store.prune() == 49
    await sql.execute(f"DROP TABLE {quoted}.doc")
    assert await store.prune() == 0
    monkeypatch.setattr(retention, "START_OVER", 0.0)
    assert await store.prune() == 1


async def test_a_drain_tells_how_many_outcomes_a_trigger_passed_over(
    bench: Bench, new_job: Any, rule: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_core.runner.loop.LAST_WRITES", 0.1)
    await rule("NEW.status = 'success'", "RETURN NULL")
    await bench.store.add([new_job()])
    async with bench.runner(grace=0.1):
        await bench.transport.began(1)
    assert "not everything was written in time, 1 outcomes wait" in caplog.text


async def test_a_clear_of_all_goes_on_past_pages_of_what_is_kept(
    bench: Bench, new_job: Any, referred: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "PAGE", 2)
    jobs = await bench.store.add([new_job(path=f"/{n}") for n in range(6)])
    await bench.store.kill([job.id for job in jobs])
    kept = [job.id for job in await bench.store.find(JobQuery(limit=4))]  # the newest
    await referred(f"id = ANY ('{{{','.join(each[-36:] for each in kept)}}}')")
    outbox = outbox_over(bench.store, [bench.table], bench.folder)
    results = [each async for page in operating._clear_pages(outbox, "failed", None) for each in page]
    assert {each.job_id for each in results} == {job.id for job in jobs}
    assert {each.job_id for each in results if each.fate is OperatorFate.ILLEGAL} == set(kept)
