"""A backend's places."""

import asyncio
from pathlib import Path
from typing import cast

import attrs
import pytest

from sp00ky_core.backend.backend import Backend
from sp00ky_core.config import BackendConfig
from sp00ky_core.contract import Contract
from sp00ky_core.gate import Gate
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt, JobTable
from sp00ky_core.runner.slots import Perform, Slots


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_attempts_at_a_time_than_the_backend_has_places(make_bench, concurrency: int) -> None:
    async def briefly(_attempt: Attempt) -> Outcome:
        await asyncio.sleep(0.001)  # long enough for others to start beside it
        return Delivered()

    bench = await make_bench(briefly, concurrency=concurrency)
    jobs = [await bench.add() for _ in range(20)]
    async with bench.runner():
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
    assert bench.transport.most_in_flight == concurrency


async def test_a_backend_that_hangs_does_not_hold_up_another(make_bench) -> None:
    never = asyncio.Event()

    async def hang_at_other(attempt: Attempt) -> Outcome:
        if attempt.backend.name == "other":
            await never.wait()
        return Delivered()

    bench = await make_bench(hang_at_other)
    stuck = [await bench.add(backend="other") for _ in range(5)]
    jobs = [await bench.add() for _ in range(50)]
    async with bench.runner(grace=0.01):
        for job in jobs:
            await bench.ended(job)
        assert (await bench.store.get(stuck[0].id)).status is JobStatus.PROCESSING
        never.set()
        for job in stuck:
            await bench.ended(job)


def slots_with(**limits: object) -> Slots:
    table = attrs.evolve(JobTable(backend="api", table="job"), **limits)
    config = BackendConfig(name="api", spec=Path("x"), base_url="http://x", table="job", concurrency=50)
    backend = Backend(config=config, contract=cast("Contract", None), table=table)
    return Slots(backend, cast("Gate", None), cast("Perform", None), lambda: None, unanswered=1.0)


@pytest.mark.parametrize(("limits", "ahead"), [({}, 200), ({"max_in_flight": 500}, 0)])
def test_a_backend_with_limits_is_not_claimed_ahead(limits: dict[str, object], ahead: int) -> None:
    slots = slots_with(**limits)
    slots.measure(0.0, 0.001)
    slots._ended = 10_000
    slots.measure(1.0, 0.001)
    assert slots._ahead == ahead
