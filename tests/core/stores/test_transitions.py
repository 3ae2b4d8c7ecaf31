"""Jobs that operators name: rows that change between being read and being written, and their fates."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import (
    JobQuery,
    JobTable,
    OperatorFate,
    SettleFate,
    Settlement,
    SettleResult,
    StoreOptions,
)
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.stores.transitions import TRIES, kill, redrive, reschedule

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


class Restless(MemoryStore):
    """Every row changes between the read and the write, ``times`` times."""

    times = TRIES
    reads = 0

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        self.reads += 1
        stale = self.reads <= self.times
        return [attrs.evolve(job, lease_epoch=job.lease_epoch - stale) for job in await super().find(query)]


async def test_a_row_that_keeps_changing_is_reported() -> None:
    store = Restless(OPTIONS)
    one, two = await store.add([new_job(), new_job()])
    results = await kill(store, [one.id, "job:none", two.id, one.id])
    changed = OperatorFate.CHANGED
    assert [result.fate for result in results] == [changed, OperatorFate.NOT_FOUND, changed, changed]
    assert [stored.status for stored in await store.find(JobQuery())] == [JobStatus.PENDING] * 2


async def test_a_row_that_changes_a_few_times_is_read_again() -> None:
    store = Restless(OPTIONS)
    store.times = TRIES - 1
    (added,) = await store.add([new_job()])
    (result,) = await kill(store, [added.id])
    assert (result.fate, store.reads) == (OperatorFate.KILLED, TRIES)


class Refusing(MemoryStore):
    """Its database refuses to change the rows of one job."""

    kept = ""

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        results = await super().settle(
            [settlement for settlement in settlements if settlement.job_id != self.kept]
        )
        busy = SettleResult(job_id=self.kept, fate=SettleFate.BUSY, problem="not that one")
        by_id = {result.job_id: result for result in [*results, busy]}
        return [by_id[settlement.job_id] for settlement in settlements]

    async def reschedule(self, job_ids: Sequence[str], change: Rescheduled) -> Collection[str]:
        return await super().reschedule([id_ for id_ in job_ids if id_ != self.kept], change)


async def test_reschedule_says_what_became_of_each() -> None:
    store = Refusing(OPTIONS)
    one, kept, failed = await store.add([new_job(), new_job(), new_job()])
    store.kept = kept.id
    await kill(store, [failed.id])
    ids = [kept.id, "job:none", failed.id, one.id, one.id]
    results = await reschedule(store, ids, Rescheduled(delay=0.0))
    illegal, done = OperatorFate.ILLEGAL, OperatorFate.RESCHEDULED
    assert [result.fate for result in results] == [illegal, OperatorFate.NOT_FOUND, illegal, done, done]
    assert results[0].problem == f"job {kept.id} is as it was: not that one"
    assert results[2].problem == f"job {failed.id} is failed: it can't be rescheduled"
    (result,) = await kill(store, [kept.id])
    assert (result.fate, result.problem) == (OperatorFate.CHANGED, results[0].problem)


async def test_each_job_is_redriven_after_its_own_delay() -> None:
    store = MemoryStore(OPTIONS)
    jobs = await store.add([new_job(), new_job()])
    ids = [job.id for job in jobs]
    await kill(store, ids)
    results = await redrive(store, [*ids, ids[0]], delays=[5.0, 60.0, 600.0])
    assert [result.transition and result.transition.delay for result in results] == [5.0, 60.0, 5.0]
    waits = [job.run_at - job.updated_at for job in [await store.get(id_) for id_ in ids]]
    assert waits == [timedelta(seconds=5), timedelta(seconds=60)]


class Lenient(MemoryStore):
    """It takes ids in capitals, too, and counts what is read."""

    reads = 0

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        self.reads += 1
        ids = query.ids and tuple({id_.lower() for id_ in query.ids})
        return await super().find(attrs.evolve(query, ids=ids), connection=connection)


async def test_ids_in_another_notation_are_read_at_once() -> None:
    store = Lenient(OPTIONS)
    jobs = await store.add([new_job() for _ in range(5)])
    others = [job.id.upper().replace("JOB", "job") for job in jobs]
    results = await kill(store, [*others, "job:none"])
    assert [result.job_id for result in results] == [*others, "job:none"]
    assert [result.fate for result in results] == [*[OperatorFate.KILLED] * 5, OperatorFate.NOT_FOUND]
    assert store.reads == 1


async def test_an_id_that_only_looks_like_another_is_read_by_itself() -> None:
    store = Lenient(OPTIONS)
    (added,) = await store.add([new_job()])
    twice, strange = added.id.upper().replace("JOB", "job"), added.id.replace("job:", "job:-")
    results = await kill(store, [added.id, twice, strange])
    killed = OperatorFate.KILLED
    assert [result.fate for result in results] == [killed, killed, OperatorFate.NOT_FOUND]
    assert store.reads == 3


async def test_reschedule_reads_only_what_it_could_not_write_at_once() -> None:
    store = Lenient(OPTIONS)
    jobs = await store.add([new_job(), new_job()])
    await kill(store, [jobs[1].id])
    store.reads = 0
    at = datetime(2030, 1, 1, tzinfo=UTC)
    (result,) = await reschedule(store, [jobs[0].id], Rescheduled(run_at=at, priority=2))
    assert (result.fate, store.reads) == (OperatorFate.RESCHEDULED, 0)
    changed = await store.get(jobs[0].id)
    assert (changed.run_at, changed.priority, changed.lease_epoch) == (at, 2, 0)
    (result,) = await reschedule(store, [jobs[1].id], Rescheduled(priority=2))
    assert (result.fate, store.reads) == (OperatorFate.ILLEGAL, 1)
