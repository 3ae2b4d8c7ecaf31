"""A backend's places."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import attrs
import pytest

from sp00ky_core.backend import Backend
from sp00ky_core.config import BackendConfig, RateConfig
from sp00ky_core.contract import Contract
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt, JobTable
from sp00ky_core.runner.in_flight import Held
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
    return Slots(backend, cast("Perform", None), lambda: None, unanswered=1.0)


def held_since(slots: Slots, received_at: float) -> Held:
    job = Job(id="job:1", backend="api", path="/a", payload_json=b"{}", status=JobStatus.PROCESSING)
    return Held(
        job=job,
        backend=slots.backend,
        table=slots.table,
        timeout=10,
        claimed_at=received_at,
        received_at=received_at,
    )


@pytest.mark.parametrize("limits", [{"rate": RateConfig(limit=1)}, {"max_in_flight": 5}])
def test_what_waited_too_long_under_a_limit_is_not_started(limits: dict[str, object]) -> None:
    limited, free = slots_with(**limits), slots_with()
    assert limited.may_start(held_since(limited, 10.0), 10.05)
    assert not limited.may_start(held_since(limited, 10.0), 10.2)
    assert free.may_start(held_since(free, 10.0), 10.2)


@pytest.mark.parametrize(("limits", "ahead"), [({}, 200), ({"max_in_flight": 500}, 0)])
def test_a_backend_with_limits_is_not_claimed_ahead(limits: dict[str, object], ahead: int) -> None:
    slots = slots_with(**limits)
    slots.measure(0.0, 0.001)
    slots._ended = 10_000
    slots.measure(1.0, 0.001)
    assert slots._ahead == ahead
