"""An outbox in memory whose clock a test moves, with schedules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest
from tests.core.two_backends import SPEC
from tests.schedules.source import schedules_of

from sp00ky_conformance.store.harness import settlement
from sp00ky_core import Outbox, hookimpl
from sp00ky_core.backend.backend import store_tables
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.plugins.registry import Plugins, load_config, load_plugins
from sp00ky_core.ports import StoreOptions
from sp00ky_core.runner.services import RunnerSide
from sp00ky_schedules import ScheduleRun
from sp00ky_schedules.service.firing import Firing
from sp00ky_schedules.service.runs import RunMaintenance
from sp00ky_schedules.service.scheduler import Scheduler, Share, everything
from sp00ky_schedules.tables import ScheduleTables
from sp00ky_store_kit.memory import MemoryStore

FAILED = Undelivered(name="http_status", code=500, reason="boo", retryable=False)

CONFIG = """\
store: memory://
backends:
  api: {spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}, retry: {maxRetries: 0}}
schedules: %s
"""


@attrs.define
class Clock:
    now: datetime = datetime(2026, 5, 5, 5, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@attrs.define
class Witness:
    """What plugins hear of fires, and of jobs that have ended."""

    fires: list[tuple[str, int]] = attrs.field(factory=list)
    settled: list[tuple[str, str]] = attrs.field(factory=list)

    @hookimpl
    def sp00ky_schedule_fired(self, schedule: str, runs: list[ScheduleRun]) -> None:
        self.fires.append((schedule, len(runs)))

    @hookimpl
    def sp00ky_job_settled(self, job: Job, transition: Transition) -> None:
        self.settled.append((job.id, transition.error.reason if transition.error else ""))


@attrs.define
class Bench:
    """Open outboxes of one store; deliver what they make."""

    folder: Path
    clock: Clock
    witness: Any
    store: Any = None

    def outbox(self, schedules: str) -> Outbox:
        """Make an outbox of a file with these schedules, over the one store."""
        (self.folder / "openapi.yml").write_text(SPEC)
        file = self.folder / "sp00ky.yml"
        file.write_text(CONFIG % schedules)
        plugins: Plugins = load_plugins()
        plugins.register(self.witness, name="witness", distribution="these-tests")
        config = load_config(file, {}, plugins=plugins)
        found = Outbox.open(config, plugins=plugins)
        if self.store is None:
            tables = store_tables(found.backends)
            options = StoreOptions(url="memory://", tables=tables, extension_tables=plugins.kept_tables)
            self.store = MemoryStore(options, now=self.clock)
        return Outbox(config, store=self.store, plugins=plugins, backends=found.backends)

    async def deliver(self, outcome: Any = None) -> int:
        """Deliver what is due; how many jobs."""
        jobs = await self.store.claim({"api": 1_000}, "r")
        await self.store.settle([settlement(job, outcome or Delivered()) for job in jobs])
        return len(jobs)

    @property
    def tables(self) -> ScheduleTables:
        """The one store's schedules."""
        return schedules_of(self.store)

    async def fire(self, outbox: Outbox, share: Share = everything) -> None:
        """Look once at what is due, as a runner with this share does, and end what has begun."""
        scheduler = self.services(outbox, share).scheduler
        await scheduler.look()
        await asyncio.gather(*scheduler._under_way.values())

    def services(self, outbox: Outbox, share: Share = everything) -> Services:
        """Return what a runner runs."""
        context = outbox.extensions.context("schedules", Side(share, outbox.backends.keys()))
        firing = Firing.of(context)
        options: Any = {"random": lambda: 0.0}
        return Services(Scheduler(firing, **options), RunMaintenance(firing, **options))


class Side(RunnerSide):
    """A runner's side with a share that a test says."""

    def __init__(self, share: Share, served: Collection[str]) -> None:
        super().__init__(lambda _: (0, 1), time.monotonic, served)
        self.share = share  # type: ignore[method-assign]


class Services(NamedTuple):
    """What a runner does with schedules."""

    scheduler: Scheduler
    upkeep: RunMaintenance


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def timer(tmp_path: Path, witness: Witness) -> Bench:
    return Bench(tmp_path, Clock(), witness)
