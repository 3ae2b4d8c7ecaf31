"""Watching: from now on, with the latest few, by ids until none is left; no table is read for it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.ports import JobQuery
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.observe import watch as watch_module
from sp00ky_store_surreal.observe.signals import Signals

SOON = 30.0


async def test_a_database_that_is_away_is_said_at_the_first_look_only(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    watch = migrated.watch(JobQuery(ids=(job.id,)))
    await anext(watch)
    read, misses = migrated._connection.read, [StoreUnavailable(store="mem://", problem="away")] * 2

    async def away(*arguments: object, **bindings: object) -> object:
        if misses:
            raise misses.pop()
        return await read(*arguments, **bindings)  # type: ignore[arg-type]

    monkeypatch.setattr(migrated._connection, "read", away)
    statement = "LET $row = <record>$id; UPDATE $row SET status = 'processing'"
    await migrated._connection.write(statement, id=job.id)
    assert (await anext(watch)).id == job.id
    assert caplog.text.count("can't see what changes") == 1
    await watch.aclose()


async def test_a_change_whose_job_can_not_be_read_is_read_later(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    watch = migrated.watch(JobQuery(ids=(job.id,)))
    await anext(watch)
    read, failures = migrated._connection.read, [StoreUnavailable(store="mem://", problem="away")] * 2

    async def away(statement: str, **bindings: Any) -> list[Any]:
        if failures and "ORDER BY created_at DESC" in statement:
            raise failures.pop()
        return await read(statement, **bindings)

    monkeypatch.setattr(migrated._connection, "read", away)
    monkeypatch.setattr(watch_module, "RETRY", 0.01)
    await migrated._connection.write("UPDATE job SET status = 'failed' RETURN NONE")  # past the store
    async with asyncio.timeout(SOON):
        assert (await anext(watch)).status is JobStatus.FAILED
    assert not failures
    await watch.aclose()


async def test_what_was_under_way_when_live_began_is_seen(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signals, "is_live", True)
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    watch = migrated.watch(JobQuery(ids=(job.id,)))
    await anext(watch)
    states, has_looked = watch_module.states, asyncio.Event()

    async def look(*arguments: Any) -> dict[str, str]:
        found = await states(*arguments)
        has_looked.set()
        return found

    monkeypatch.setattr(watch_module, "states", look)
    monkeypatch.setattr(watch_module, "SAFETY", SOON * 2)
    following = asyncio.ensure_future(anext(watch))
    migrated._notifications._pass_on(None)  # as LIVE does when it begins
    await has_looked.wait()
    await migrated._connection.write("UPDATE job SET status = 'failed' RETURN NONE")  # past the store
    async with asyncio.timeout(SOON):
        assert (await following).status is JobStatus.FAILED
    await watch.aclose()


async def test_what_this_store_changes_before_live_is_there_is_followed(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals, subscribed = migrated._notifications, asyncio.Event()

    async def subscribe(*, at_once: bool) -> AsyncGenerator[None, None]:
        await subscribed.wait()
        yield None

    monkeypatch.setattr(signals, "_of_changes", subscribe)
    following = signals.follow(at_once=False)
    entering = asyncio.ensure_future(following.__aenter__())
    await asyncio.sleep(0)
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    subscribed.set()
    changed = await entering
    async with asyncio.timeout(SOON):
        assert await anext(changed.batches(1)) == [job.id]
    await following.__aexit__(None, None, None)
