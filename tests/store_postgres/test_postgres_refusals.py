"""Runners on a database whose rules refuse what they write: what each rule costs, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core import hookimpl
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.plugins import Plugins
from sp00ky_core.ports import JobTable
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.testing.outboxes import outbox_over
from sp00ky_core.testing.scripted import ScriptedTransport
from sp00ky_store_postgres import PostgresStore

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
