"""The model, with the memory store on both sides: it must hold, and it must notice a store that is wrong."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest import mock

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sp00ky_conformance.model.rules import BACKENDS, RUNNERS, StoreModel, store_model
from sp00ky_core.job import Job
from sp00ky_core.ports import (
    Claim,
    JobTable,
    OperatorFate,
    OperatorResult,
    Reschedule,
    SettleFate,
    Settlement,
    SettleResult,
    Store,
    StoreOptions,
)
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.stores.transactional import Access, Is, Session
from sp00ky_core.stores.transactional.jobs import due
from sp00ky_core.stores.transactional.jobs.due import priority_ranges
from sp00ky_core.stores.transactional.rows import key_of
from sp00ky_core.stores.transactional.schema.definition import job_table

TestMemoryModel = store_model(MemoryStore)


class Unfenced(MemoryStore):
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        rows = {job.id: job for job in await self._load([each.job_id for each in settlements])}
        return await super()._apply([_forged(each, rows.get(each.job_id)) for each in settlements])


def _forged(settlement: Settlement, row: Job | None) -> Settlement:
    if row is None:
        return settlement
    return attrs.evolve(settlement, epoch=row.lease_epoch, runner_id=row.runner_id, status=row.status)


class ForgetsEpochs(MemoryStore):
    async def claim(self, slots_by_backend: object, runner_id: str) -> list[Job]:
        jobs = await super().claim(slots_by_backend, runner_id)  # type: ignore[arg-type]  # passed on
        for job in jobs:
            object.__setattr__(job, "lease_epoch", 1)
        return jobs


class KeepsNothing(MemoryStore):
    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        return await super().release(runner_id, keep=())


class ReportsWell(MemoryStore):
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        await super()._apply(settlements)
        return [SettleResult(job_id=each.job_id, fate=SettleFate.SETTLED) for each in settlements]


class LowestFirst(MemoryStore):
    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        async def lowest_first(session: Session, table: JobTable) -> list[list[Is]]:
            return (await priority_ranges(session, table))[::-1]

        with mock.patch.object(due, "priority_ranges", lowest_first):
            return await super().claim(slots_by_backend, runner_id)


class LosesPlaces(MemoryStore):
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        results = await super()._apply(settlements)
        for each in settlements:
            await self.run(partial(_lose_place, job_id=each.job_id), Access.WRITE)
        return results


async def _lose_place(session: Session, job_id: str) -> None:
    where = [Is("id", "=", key_of(job_id)), Is("ordering_key", "!=", None)]
    await session.update(job_table(table_of(job_id)), where, {"ordering_at": await session.now()})


class Unlimited(MemoryStore):
    def __init__(self, options: StoreOptions) -> None:
        tables = tuple(attrs.evolve(each, max_in_flight=None) for each in options.tables)
        super().__init__(attrs.evolve(options, tables=tables))


class NeverPauses(MemoryStore):
    async def pause(self, backend: str, **options: Any) -> bool:
        is_new = await super().pause(backend, **options)
        await super().resume(backend)
        return is_new


class RedrivesAtOnce(MemoryStore):
    async def redrive(self, job_ids: Sequence[str], **options: Any) -> list[OperatorResult]:
        return await super().redrive(job_ids, resend_unknown=options["resend_unknown"])


class ReschedulesAnything(MemoryStore):
    async def reschedule(self, job_ids: Sequence[str], change: Reschedule) -> list[OperatorResult]:
        results = await super().reschedule(job_ids, change)
        return [attrs.evolve(each, fate=OperatorFate.RESCHEDULED) for each in results]


BROKEN = [
    Unfenced,
    ForgetsEpochs,
    ReportsWell,
    LowestFirst,
    LosesPlaces,
    Unlimited,
    NeverPauses,
    RedrivesAtOnce,
    ReschedulesAnything,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_store_is_noticed(broken: Callable[[StoreOptions], Store]) -> None:
    class Broken(StoreModel):
        make_store = staticmethod(broken)

    quick = settings(
        max_examples=5_000,  # derandomized, but what is found first depends on what is imported
        stateful_step_count=25,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Broken, settings=quick)


@pytest.mark.parametrize(("store", "is_wrong"), [(KeepsNothing, True), (MemoryStore, False)])
def test_a_store_that_keeps_nothing_is_noticed(store: type[MemoryStore], is_wrong: bool) -> None:
    """Told, for a search by luck needs minutes: a runner keeps what it has claimed."""

    class Told(StoreModel):
        make_store = staticmethod(store)

    model = Told()
    try:
        jobs = model.enqueue_first(backend=BACKENDS[0])
        model.claim(slots={BACKENDS[0]: 3}, runner=RUNNERS[0])
        with pytest.raises(AssertionError) if is_wrong else nullcontext():
            model.leave(runner=RUNNERS[0], kept=list(jobs.values), is_dead=False)
    finally:
        model.teardown()
