"""The model, with the memory store on both sides: it must hold, and it must notice a store that is wrong."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sp00ky_conformance.model.rules import StoreModel, store_model
from sp00ky_core.ports import SettleFate, Settlement, SettleResult
from sp00ky_store_kit.memory import MemoryStore

TestMemoryModel = store_model(MemoryStore)


class ReportsWell(MemoryStore):
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        await super().settle(settlements)
        return [SettleResult(job_id=settlement.job_id, fate=SettleFate.SETTLED) for settlement in settlements]


def test_a_search_notices_a_broken_store() -> None:
    class Broken(StoreModel):
        make_store = ReportsWell

    search = settings(
        max_examples=5_000,  # it is found within some dozens
        stateful_step_count=25,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Broken, settings=search)
