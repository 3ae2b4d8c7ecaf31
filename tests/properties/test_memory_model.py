"""The model, with the memory store on both sides: it must hold, and it must notice a store that is wrong."""

from collections.abc import Callable, Collection, Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sp00ky_core.job import Job
from sp00ky_core.ports import SettleFate, Settlement, SettleResult, Store, StoreOptions
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.testing.model import StoreModel, store_model

TestMemoryModel = store_model(MemoryStore)


class Unfenced(MemoryStore):
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        rows = [self._row(each.job_id) for each in settlements]
        forged = [
            Settlement(
                job_id=each.job_id,
                backend=each.backend,
                epoch=row.lease_epoch if row else each.epoch,
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


@pytest.mark.parametrize("broken", [Unfenced, ForgetsEpochs, KeepsNothing, ReportsWell])
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
