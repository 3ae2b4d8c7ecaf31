"""Rows that change between being read and being written."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest

from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.ports import JobQuery, JobTable, OperatorFate, Reschedule, StoreOptions
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.stores.operations import TRIES

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


def job(**fields: Any) -> NewJob:
    return attrs.evolve(NewJob(path="/a", backend="api"), **fields)


class Restless(MemoryStore):
    """Every row changes between the read and the write."""

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        return [attrs.evolve(each, lease_epoch=each.lease_epoch - 1) for each in await super()._load(job_ids)]

    async def _lost(self, dead_runners: Collection[str], **guards: Any) -> list[Job]:
        found = await super()._lost(dead_runners, **guards)
        return [attrs.evolve(found[0], lease_epoch=99), *found[1:]]


async def test_a_row_that_keeps_changing_is_reported() -> None:
    store = Restless(OPTIONS)
    one, two = await store.add([job(), job()])
    results = await store.kill([one.id, "job:none", two.id, one.id])
    changed = OperatorFate.CHANGED
    assert [each.fate for each in results] == [changed, OperatorFate.NOT_FOUND, changed, changed]
    assert [each.status for each in await store.find(JobQuery())] == [JobStatus.PENDING] * 2


async def test_a_row_that_changes_a_few_times_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(OPTIONS)
    (added,) = await store.add([job()])
    load, reads = store._load, 0

    async def stale(job_ids: Sequence[str]) -> list[Job]:
        nonlocal reads
        reads += 1
        return [
            attrs.evolve(each, lease_epoch=each.lease_epoch - (reads < TRIES)) for each in await load(job_ids)
        ]

    monkeypatch.setattr(store, "_load", stale)
    (result,) = await store.kill([added.id])
    assert (result.fate, reads) == (OperatorFate.KILLED, TRIES)


async def test_reclaim_tells_only_of_what_was_written() -> None:
    store = Restless(OPTIONS)
    await store.add([job(), job()])
    claimed = await store.claim({"api": 2}, "r")
    written = await store.reclaim({"r": BEGINNING})
    assert [each.job_id for each in written] == [claimed[1].id]


class Refusing(MemoryStore):
    """Its database refuses to change the rows of one path."""

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        pending = [each for each in await self._load(job_ids) if each.status is JobStatus.PENDING]
        return {each.id: "not that one" if each.path == "/kept" else None for each in pending}


async def test_reschedule_says_what_became_of_each() -> None:
    store = Refusing(OPTIONS)
    one, kept = await store.add([job(), job(path="/kept")])
    (failed,) = await store.add([job()])
    await store.kill([failed.id])
    results = await store.reschedule([kept.id, "job:none", failed.id, one.id, one.id], Reschedule(delay=0.0))
    illegal, done = OperatorFate.ILLEGAL, OperatorFate.RESCHEDULED
    assert [each.fate for each in results] == [illegal, OperatorFate.NOT_FOUND, illegal, done, done]
    assert results[0].problem == f"job {kept.id} can't be rescheduled: not that one"
    assert results[2].problem == f"job {failed.id} is failed: only pending jobs are rescheduled"


async def test_a_pending_job_that_was_not_written_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Refusing(OPTIONS)
    (added,) = await store.add([job()])

    async def none(*_: object) -> Mapping[str, str | None]:
        return {}

    monkeypatch.setattr(store, "_reschedule", none)
    (result,) = await store.reschedule([added.id], Reschedule(priority=3))
    assert result.fate is OperatorFate.CHANGED


async def test_each_job_is_redriven_after_its_own_delay() -> None:
    store = MemoryStore(OPTIONS)
    jobs = await store.add([job(), job()])
    ids = [each.id for each in jobs]
    await store.kill(ids)
    results = await store.redrive([*ids, ids[0]], delays=[5.0, 60.0, 600.0])
    assert [each.transition and each.transition.delay for each in results] == [5.0, 60.0, 5.0]
    waits = [each.run_at - each.updated_at for each in [await store.get(each) for each in ids]]
    assert waits == [timedelta(seconds=5), timedelta(seconds=60)]
