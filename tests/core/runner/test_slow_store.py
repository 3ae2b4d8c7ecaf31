"""A database that takes its time: nothing is sent twice for it, nothing is given back for ever."""

from collections.abc import Callable, Sequence

import pytest
from tests.simulation import World
from tests.simulation.gate import Call
from tests.simulation.member import SimulatedRunner

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import SettleFate, Settlement, SettleResult

STEADY = 20
"""Seconds after which a runner also gives back and reclaims."""


def sent(runner: SimulatedRunner, method: str) -> Call:
    """The one call of that name that isn't answered."""
    (call,) = [call for call in runner.store.calls if call.method == method]
    return call


def claiming(world: World, runner: SimulatedRunner) -> Call:
    """A claim that the store sits on."""
    world.run()
    claim = sent(runner, "claim")
    claim.is_stalled = True
    return claim


def status(world: World, job_id: str) -> JobStatus:
    return world.lab.run(world.lab.store.get(job_id)).status


def until(world: World, met: Callable[[], bool], seconds: float) -> bool:
    for _ in range(int(seconds * 10)):
        if met():
            return True
        world.leap(0.1)
        world.flow()
    return met()


def test_an_outcome_that_cannot_be_written_until_the_lease_ends_is_not_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease in the database began when the claim was carried out, and ends so much later."""

    settle = world.lab.store.settle

    async def held_by_a_transaction(settlements: Sequence[Settlement]) -> list[SettleResult]:
        if settlements[0].transition.to is JobStatus.FAILED:  # it ends with the lease, for a reclaim
            return await settle(settlements)
        return [SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY) for settlement in settlements]

    monkeypatch.setattr(world.lab.store, "settle", held_by_a_transaction)
    runner = world.start()
    world.pass_smoothly(STEADY)
    job_id = world.enqueue(max_retries=0)
    claim = claiming(world, runner)
    world.pass_smoothly(8)
    world.answer(runner, claim)
    (flight,) = world.flights()
    world.respond(flight, Delivered())
    for _ in range(100):  # a lease, and as long again: for the runner that had it beats
        world.pass_smoothly(1)
        assert world.flights() == []
    job = world.lab.run(world.lab.store.get(job_id))
    assert (job.status, job.lease_epoch) == (JobStatus.FAILED, 2)  # reclaimed, and not claimed again


def test_all_that_a_dead_runner_held_is_reclaimed_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_core.runner.maintenance.reclaim.RECLAIM_BATCH", 2)
    world.start()
    world.pass_smoothly(STEADY)
    other = world.start()
    world.runners[0].is_frozen = True
    job_ids = [world.enqueue(max_retries=0) for _ in range(5)]
    world.flow()
    world.crash(other)
    world.runners[0].is_frozen = False

    def ended() -> int:
        return [status(world, id_) for id_ in job_ids].count(JobStatus.FAILED)

    assert until(world, lambda: ended() > 0, 12)
    assert ended() == 5
