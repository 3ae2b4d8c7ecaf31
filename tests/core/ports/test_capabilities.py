"""What the core does with a store that can do no more than it must."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.core.two_backends import CONFIG, SPEC, ended, enqueued

from sp00ky_core import JobFilter, Outbox, load_plugins
from sp00ky_core.backend.backend import store_tables
from sp00ky_core.cli.options import beginning_with
from sp00ky_core.config import load_config
from sp00ky_core.errors import CallUnsupported, ConfigError
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.outbox.operators.bulk import CLEAR, KILL, steps
from sp00ky_core.ports import FLAGS, Attempt, MigrationStep, Store, StoreCapabilities, StoreOptions
from sp00ky_core.runner import RunnerOptions
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.stores.transitions import clear
from sp00ky_core.testing import ScriptedTransport

LACKS = dict.fromkeys(FLAGS.values(), False)
CALLS = {name for ability in FLAGS for name in vars(ability) if not name.startswith("_")} - {"claim"}


def test_every_store_has_sixteen_calls_at_most() -> None:
    calls = [name for name, call in vars(Store).items() if inspect.isfunction(call) and name[0] != "_"]
    assert len(calls) <= 16, calls
    assert CALLS.isdisjoint(calls)


class PlainStore(MemoryStore):
    """A store that has the calls of ``Store``, and no other."""

    capabilities = StoreCapabilities(transactions=True, durable=False, **LACKS)
    steps: Sequence[MigrationStep] = ()

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        return list(self.steps)

    def __getattribute__(self, name: str) -> Any:
        if name in CALLS:
            raise AttributeError(name)
        return super().__getattribute__(name)


def made(folder: Path) -> Outbox:
    (folder / "openapi.yml").write_text(SPEC)
    (folder / "sp00ky.yml").write_text(CONFIG)
    usual = Outbox.open(load_config(folder / "sp00ky.yml"), plugins=load_plugins())
    store = PlainStore(StoreOptions(url="memory://", tables=store_tables(usual.backends)))
    return Outbox(usual.config, store=store, plugins=usual.plugins, backends=usual.backends)


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with made(tmp_path) as opened:
        yield opened


OPERATORS: dict[str, Callable[[Outbox], Awaitable[object]]] = {
    "kill": lambda outbox: outbox.kill("job:1"),
    "kill_all": lambda outbox: outbox.kill(filter=JobFilter()),
    "pause": lambda outbox: outbox.pause("api"),
    "resume": lambda outbox: outbox.resume("api"),
    "set": lambda outbox: outbox.set_backend("api", {"concurrency": 2}),
    "reset": lambda outbox: outbox.reset_backend("api"),
    "drain": lambda outbox: outbox.drain_runner("r"),
    "audit": lambda outbox: outbox.audit(),
    "runners": lambda outbox: outbox.runners(),
    "errors": lambda outbox: outbox.errors(),
    "schedules": lambda outbox: outbox.schedules.list(),
    "rates": lambda outbox: outbox.rates(since=datetime.now(UTC) - timedelta(hours=1)),
}


@pytest.mark.parametrize("call", OPERATORS)
async def test_what_it_cannot_do_is_said_and_not_done(outbox: Outbox, call: str) -> None:
    ids = await enqueued(outbox, 1)
    with pytest.raises(CallUnsupported, match="memory:// has no") as caught:
        await OPERATORS[call](outbox)
    assert caught.value.exit_code == 2
    assert (await outbox.get(ids[0])).status == "pending"


async def test_nothing_is_watched(outbox: Outbox) -> None:
    (job_id,) = await enqueued(outbox, 1)
    with pytest.raises(CallUnsupported, match="watch"):
        await outbox.wait(job_id)


async def test_jobs_are_counted_by_reading_them(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sp00ky_core.stores.named_jobs.PAGE", 2)
    await enqueued(outbox, 5)
    assert await outbox.count_matching(KILL, JobFilter(backend="api")) == 5


async def test_jobs_are_cleared_by_their_ids(outbox: Outbox) -> None:
    await ended(outbox, 5)
    kept = await enqueued(outbox, 1)
    clearing = steps(outbox.jobs, CLEAR, JobFilter(), lambda job_ids, _: clear(outbox.store, job_ids))
    results = [result async for result in clearing]
    assert results[-1].done == 5
    assert [job.id for job in await outbox.find()] == kept


async def test_the_tables_are_checked_by_what_a_migration_would_do(outbox: Outbox) -> None:
    assert await outbox.check() == []
    step = MigrationStep(table="job", statement="CREATE TABLE job", why="it is missing")
    outbox.store.steps = [step]  # type: ignore[attr-defined]  # a plain store's
    (finding,) = await outbox.check()
    assert (finding.subject, finding.problem, finding.stops_jobs) == ("job", "it is missing", True)


async def test_a_configuration_with_a_retention_is_refused(outbox: Outbox) -> None:
    backend = outbox.backends["api"]
    outbox.backends["api"] = attrs.evolve(backend, table=attrs.evolve(backend.table, keep_success=60.0))
    with pytest.raises(ConfigError, match="keeps no retention"):
        outbox.runner(transport=ScriptedTransport())


async def test_ids_are_given_whole(outbox: Outbox) -> None:
    (job_id,) = await enqueued(outbox, 1)
    assert await beginning_with(outbox, job_id[:-3]) == []
    assert (await outbox.get(job_id)).id == job_id


async def test_a_runner_delivers_and_has_breakers_of_its_own(outbox: Outbox) -> None:
    ids = await enqueued(outbox, 1)
    tries = 0

    async def answer(_attempt: Attempt) -> Outcome:
        nonlocal tries
        tries += 1
        return Undelivered(name="connect", reason="nobody listens") if tries == 1 else Delivered()

    async with outbox.runner(RunnerOptions(poll=0.02), transport=ScriptedTransport(answer)) as runner:
        assert await runner.until_empty() == 0
    assert (await outbox.get(ids[0])).status == "success"
    assert tries == 2
