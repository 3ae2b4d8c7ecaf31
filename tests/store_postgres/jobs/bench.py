"""Run runners over a test's store, with recorded requests."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core import hookimpl
from sp00ky_core.job.job import Job
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import JobTable
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.testing.perform import ScriptedTransport, outbox_over
from sp00ky_store_postgres import PostgresStore

# What takes seconds in production takes a fraction of one here.
FAST = RunnerOptions(poll=0.1, beat_interval=0.05, reclaim_after=0.1, prune_interval=0.2)

MEANT = {
    "raise": "RAISE 'mine'",
    "assert": "ASSERT false, 'mine'",
    "no data": "SELECT 1 INTO STRICT x WHERE false",
    "too many": "SELECT n INTO STRICT x FROM generate_series(1, 2) AS n",
    "a code of one's own": "RAISE 'mine' USING ERRCODE = 'UE001'",
    "no right": "RAISE 'mine' USING ERRCODE = '42501'",
}
"""Bodies of triggers that refuse a row on purpose."""


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
        async with asyncio.timeout(60):
            while not met(now := await self.store.get(job.id)):  # noqa: ASYNC110  # the row tells it first
                await asyncio.sleep(0.02)
        return now


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    while text not in caplog.text:  # noqa: ASYNC110  # a log sends no event
        await asyncio.sleep(0.02)
