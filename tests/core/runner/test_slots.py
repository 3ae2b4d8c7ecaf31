"""A backend's places."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from tests.simulation import World

from sp00ky_core.backend.backend import Backend
from sp00ky_core.config import BackendConfig
from sp00ky_core.gate.gate import Gate
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt, JobTable
from sp00ky_core.runner.holdings import Held
from sp00ky_core.runner.slots import AT_ONCE, SettleAnswer, Slots, StartAttempt
from sp00ky_openapi import Contract


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


async def test_the_loop_turns_though_no_attempt_waits_for_anything(make_bench) -> None:
    at_once: list[int] = []

    async def deliver(_attempt: Attempt) -> Outcome:
        if not at_once or not at_once[-1]:
            at_once.append(0)
            asyncio.get_running_loop().call_soon(at_once.append, 0)
        at_once[-1] += 1
        return Delivered()

    bench = await make_bench(deliver, concurrency=200)
    jobs = [await bench.add() for _ in range(500)]
    async with bench.runner():
        for job in jobs:
            await bench.ended(job)
    assert sum(at_once) == len(jobs)
    assert max(at_once) == AT_ONCE


def slots_with(**limits: object) -> Slots:
    table = attrs.evolve(JobTable(backend="api", table="job"), **limits)
    config = BackendConfig(name="api", spec=Path("x"), base_url="http://x", table="job", concurrency=50)
    backend = Backend(config=config, contract=cast("Contract", None), table=table)
    begin, end = cast("StartAttempt", None), cast("SettleAnswer", None)
    return Slots(backend, cast("Gate", None), begin, end, lambda: None, unanswered=1.0)


@pytest.mark.parametrize(("limits", "ahead"), [({}, 200), ({"max_in_flight": 500}, 0)])
def test_a_backend_with_limits_is_not_claimed_ahead(limits: dict[str, object], ahead: int) -> None:
    slots = slots_with(**limits)
    slots.measure(0.0, 0.001)
    slots._ended = 10_000
    slots.measure(1.0, 0.001)
    assert slots._ahead == ahead


def test_what_was_claimed_before_a_gap_between_beats_is_not_sent_after_it(world: World) -> None:
    judge = world.start()
    world.pass_smoothly(20)
    frozen = world.start()
    world.pass_smoothly(2)
    judge.is_frozen = True
    job_id = world.enqueue(max_retries=0)
    world.run()
    (claim,) = [call for call in frozen.store.calls if call.method == "claim"]
    world.reach(claim)
    judge.is_frozen, frozen.is_frozen = False, True
    world.pass_smoothly(14)
    assert world.ledger.entries[job_id].status is JobStatus.FAILED  # its outcome unknown
    frozen.is_frozen = False
    world.pass_smoothly(4)
    assert world.flights() == []
    world.end()


def test_an_outcome_that_comes_to_nothing_lets_go_of_no_later_claim_of_its_job(world: World) -> None:
    runner = world.start()
    world.pass_smoothly(12)
    job_id = world.enqueue(max_retries=1)
    world.flow()
    world.respond(world.flights()[0], Delivered())
    (settle,) = [call for call in runner.store.calls if call.method == "settle"]
    settle.is_stalled = True
    world.kill(job_id)
    world.retry(job_id)
    world.pass_smoothly(42)  # its lease runs out, and it is claimed again
    (again,) = world.flights()
    world.answer(runner, settle)  # too late: the lease is lost
    world.pass_smoothly(4)  # what the runner didn't hold would be given back, and sent once more
    assert world.flights() == [again]
    world.respond(again, Delivered())
    world.end()


NOW = datetime(2030, 1, 1, tzinfo=UTC)


def held_for(table: JobTable, **fields: Any) -> Held:
    """Return a claim, written at ``NOW`` and sent at 100 s of this runner's clock."""
    lease = timedelta(seconds=table.attempt_timeout(None) + table.lease_margin)
    job = Job(
        id="job:1",
        backend="api",
        path="/a",
        payload_json=b"{}",
        status=JobStatus.PROCESSING,
        lease_until=NOW + lease,
    )
    return Held(
        job=attrs.evolve(job, **fields),
        backend=cast("Backend", None),
        table=table,
        timeout=5,
        claimed_at=100.0,
        received_at=101.0,
    )


def test_a_job_expires_by_the_clock_of_the_claim() -> None:
    shared = JobTable(backend="api", table="job", timeout=60)  # its other backend's is longer
    held = held_for(shared, expires_at=NOW + timedelta(seconds=7))
    assert not held.has_expired(106.9)
    assert held.has_expired(107.0)
    assert not held_for(shared).has_expired(1e9)
