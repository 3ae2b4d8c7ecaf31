"""Calls of the memory store, by a clock that is moved."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sp00ky_core.errors import JobNotFound, StoreClosed, UnknownBackend
from sp00ky_core.job import NewJob
from sp00ky_core.operators.transitions import clear, kill
from sp00ky_core.ports import AUDIT_KEPT, Act, JobFilter, JobQuery, JobTable, RunnerInfo, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing import FakeClock

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


async def test_an_unknown_backend_is_named(memory_store: MemoryStore) -> None:
    with pytest.raises(UnknownBackend, match="did you mean 'api'"):
        await memory_store.claim({"apis": 1}, "r")


async def test_a_closed_store_takes_no_call_and_keeps_its_jobs() -> None:
    store = MemoryStore(OPTIONS)
    await store.open()
    (job,) = await store.add([NewJob(path="/a", backend="api")])
    await store.close()
    with pytest.raises(StoreClosed):
        await store.get(job.id)
    await store.open()
    assert await store.get(job.id) == job


async def test_its_clock_may_be_another() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    store = MemoryStore(OPTIONS, now=lambda: now)
    (job,) = await store.add([NewJob(path="/a", backend="api")])
    assert (job.created_at, job.run_at) == (now, now)


async def test_a_backend_without_a_table_is_named() -> None:
    with pytest.raises(UnknownBackend, match="no backend 'mail'"):
        await MemoryStore(OPTIONS).add([NewJob(path="/a", backend="mail")])


async def added(store: MemoryStore, count: int) -> list[str]:
    return [each.id for each in await store.add([NewJob(path=f"/{n}", backend="api") for n in range(count)])]


async def test_pages_are_newest_first(memory_store: MemoryStore) -> None:
    ids = await added(memory_store, 5)
    first = await memory_store.find(JobQuery(limit=2))
    rest = await memory_store.find(JobQuery(after=first[-1].id))
    assert [each.id for each in (*first, *rest)] == ids[::-1]
    assert await memory_store.count(JobFilter(path="/3")) == 1


async def test_an_id_is_completed_within_its_table(memory_store: MemoryStore) -> None:
    ids = await added(memory_store, 3)
    assert await memory_store.ids_starting_with(ids[1]) == [ids[1]]
    assert len(await memory_store.ids_starting_with("job:", limit=2)) == 2
    assert await memory_store.ids_starting_with("other:") == []
    with pytest.raises(JobNotFound):
        await memory_store.get("job:none")


async def test_a_watch_begins_with_what_is_there_and_ends_with_its_jobs(memory_store: MemoryStore) -> None:
    (job_id,) = await added(memory_store, 1)
    watch = memory_store.watch(JobQuery(ids=(job_id,)))
    assert (await anext(watch)).id == job_id
    await kill(memory_store, [job_id])
    assert (await anext(watch)).is_terminal
    await clear(memory_store, [job_id])
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_a_watch_may_begin_with_the_latest(memory_store: MemoryStore) -> None:
    ids = await added(memory_store, 3)
    watch = memory_store.watch(JobQuery(), history=2)
    assert [(await anext(watch)).id for _ in range(2)] == ids[1:]
    await watch.aclose()


async def test_a_runner_reports_itself_until_it_is_removed() -> None:
    clock = FakeClock()
    store = MemoryStore(StoreOptions(url="memory://", tables=()), now=clock.now)
    started_at = clock.now()
    await store.beat("old", RunnerInfo(slots={"api": 5}))
    clock.advance(2)
    await store.beat("new")
    await store.beat("old", RunnerInfo(slots={"api": 5}, in_flight={"api": 1}))
    clock.advance(3)
    new, old = await store.runners()
    assert (new.id, old.id, old.started_at, old.silent_for) == ("new", "old", started_at, 3.0)
    assert old.info.in_flight == {"api": 1}
    assert old.host
    await store.remove_runner("old")
    assert [each.id for each in await store.runners()] == ["new"]


async def test_a_drain_that_was_asked_for_stays() -> None:
    store = MemoryStore(StoreOptions(url="memory://", tables=()))
    assert not await store.drain_runner("r")
    await store.beat("r")
    assert await store.drain_runner("r")
    for _ in range(2):
        assert (await store.beat("r", RunnerInfo(draining=False)))["r"].info.draining
    assert (await store.runners())[0].info.draining


async def test_an_act_is_kept_with_how_far_it_came() -> None:
    clock = FakeClock()
    store = MemoryStore(StoreOptions(url="memory://", tables=()), now=clock.now)
    act = Act(action="kill", selection={"ids": ["job:1"]}, actor="ann", via="cli", host="h", reason="why")
    first = await store.start_audit(act)
    since = clock.advance(1)
    await store.update_audit(first, count=500)
    second = await store.start_audit(Act(action="pause"))
    await store.update_audit(first, count=700, ended=True)
    await store.update_audit("unknown", count=1)
    newest, oldest = await store.audit()
    assert (newest.id, oldest.id) == (second, first)
    assert (oldest.action, oldest.selection, oldest.actor, oldest.via) == (
        "kill",
        act.selection,
        "ann",
        "cli",
    )
    assert (oldest.count, oldest.ended_at, newest.ended_at) == (700, clock.now(), None)
    assert [each.id for each in await store.audit(limit=1)] == [second]
    assert [each.id for each in await store.audit(after=second)] == [first]
    assert [each.id for each in await store.audit(since=clock.now())] == [second], since


async def test_an_entry_goes_after_its_time() -> None:
    clock = FakeClock()
    store = MemoryStore(StoreOptions(url="memory://", tables=()), now=clock.now)
    await store.start_audit(Act(action="kill"))
    await store.prune()
    assert await store.audit()
    clock.advance(AUDIT_KEPT)
    await store.prune()
    assert await store.audit() == []
