"""Watching: from now on, with the latest few, by ids until none is left; no table is read for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.operators.transitions import clear, kill
from sp00ky_core.ports import JobQuery
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.observe import watch as watch_module

SOON = 30.0


@pytest_asyncio.fixture
async def sent(migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """Each statement that the store sends."""
    statements: list[str] = []
    ask = migrated._connection._link.ask

    async def noted(statement: str, *arguments: Any, **options: Any) -> list[Any]:
        statements.append(statement)
        return await ask(statement, *arguments, **options)

    monkeypatch.setattr(migrated._connection._link, "ask", noted)
    yield statements


async def test_from_now_on_no_table_is_read(
    migrated: SurrealStore, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "SOONEST", 60.0)  # the look for what nobody reported
    await migrated.add([NewJob(path="/old", backend="api") for _ in range(10)])
    watch = migrated.watch(JobQuery(), history=0)
    first = asyncio.ensure_future(anext(watch))
    while not any("RETURN time::now()" in each for each in sent):  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0.01)
    (job,) = await migrated.add([NewJob(path="/new", backend="api")])
    async with asyncio.timeout(SOON):
        assert (await first).id == job.id
    await watch.aclose()
    assert not [each for each in sent if "SELECT" in each and "FROM `job`" in each]


async def test_only_the_latest_few_come_first(migrated: SurrealStore, sent: list[str]) -> None:
    jobs = [job for _ in range(6) for job in await migrated.add([NewJob(path="/a", backend="api")])]
    watch = migrated.watch(JobQuery(), history=2)
    async with asyncio.timeout(SOON):
        assert [(await anext(watch)).id for _ in range(2)] == [job.id for job in jobs[-2:]]
        following_one = asyncio.ensure_future(anext(watch))
        await kill(migrated, [jobs[0].id])
        changed = await following_one
    assert (changed.id, changed.status) == (jobs[0].id, JobStatus.FAILED)
    await watch.aclose()


async def test_of_ids_too(migrated: SurrealStore) -> None:
    jobs = await migrated.add([NewJob(path="/a", backend="api") for _ in range(3)])
    watch = migrated.watch(JobQuery(ids=tuple(job.id for job in jobs)), history=0)
    first = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.2)
    assert not first.done()
    await kill(migrated, [jobs[1].id])
    async with asyncio.timeout(SOON):
        assert (await first).id == jobs[1].id
    await watch.aclose()


async def test_old_rows_come_by_the_hundred(migrated: SurrealStore, sent: list[str]) -> None:
    jobs = await migrated.add([NewJob(path="/a", backend="api") for _ in range(250)])
    sent.clear()
    watch = migrated.watch(JobQuery())
    async with asyncio.timeout(SOON):
        seen = {(await anext(watch)).id for _ in jobs}
    await watch.aclose()
    assert seen == {job.id for job in jobs}
    assert len(sent) < 25


async def test_a_row_that_is_written_elsewhere_is_seen(migrated: SurrealStore) -> None:
    watch = migrated.watch(JobQuery(path="/b"), history=0)
    first = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.2)
    await migrated._connection.write(
        "CREATE job:a SET path = '/a', payload = '{}'; CREATE job:b SET path = '/b', payload = '{}'"
    )
    async with asyncio.timeout(SOON):
        assert (await first).id == "job:b"
    await watch.aclose()


async def test_changes_and_the_end(migrated: SurrealStore) -> None:
    one, two = await migrated.add([NewJob(path="/a", backend="api") for _ in range(2)])
    watch = migrated.watch(JobQuery(ids=(one.id, two.id)))
    assert {(await anext(watch)).id for _ in range(2)} == {one.id, two.id}
    await kill(migrated, [one.id])
    changed = await anext(watch)
    assert (changed.id, changed.status) == (one.id, JobStatus.FAILED)
    await kill(migrated, [two.id])
    assert (await anext(watch)).id == two.id
    await clear(migrated, [one.id, two.id])
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


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
