"""The model, with the memory store on both sides: it must hold, and it must notice a store that is wrong."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sp00ky_conformance.model.rules import StoreModel, store_model
from sp00ky_core.job import Job
from sp00ky_core.ports import (
    OperatorFate,
    OperatorResult,
    Reschedule,
    SettleFate,
    Settlement,
    SettleResult,
    Store,
    StoreOptions,
)
from sp00ky_core.stores.memory.store import MemoryStore

TestMemoryModel = store_model(MemoryStore)


class Unfenced(MemoryStore):
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        rows = [self._row(each.job_id) for each in settlements]
        forged = [
            Settlement(
                job_id=each.job_id,
                backend=each.backend,
                epoch=row.lease_epoch if row else each.epoch,
                runner_id=row.runner_id if row else each.runner_id,
                status=row.status if row else each.status,
                transition=each.transition,
            )
            for each, row in zip(settlements, rows, strict=True)
        ]
        return await super()._apply(forged)


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
    async def open(self) -> None:
        await super().open()
        for table in self._tables.values():
            table._due = dict(reversed(table._due.items()))


class LosesPlaces(MemoryStore):
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        results = await super()._apply(settlements)
        for each in settlements:
            job = self._row(each.job_id)
            if job is not None and job.ordering_key is not None:
                self._write(attrs.evolve(job, ordering_at=self._now()))
        return results


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
    KeepsNothing,
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
        max_examples=300,
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
