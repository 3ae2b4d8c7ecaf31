"""Jobs that operators name: rows that change between being read and being written, and their fates."""

from collections.abc import Collection, Sequence

import attrs

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.job.job import Job
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
from sp00ky_core.stores.transitions import TRIES, kill, reschedule
from sp00ky_store_kit.memory import MemoryStore

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


class Restless(MemoryStore):
    """Every row changes between the read and the write, ``times`` times."""

    times = TRIES
    reads = 0

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        self.reads += 1
        stale = self.reads <= self.times
        return [attrs.evolve(job, lease_epoch=job.lease_epoch - stale) for job in await super().find(query)]


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
