"""The database's clock jumps, and runners are frozen: what runners may conclude from it, and what not."""

from tests.simulation import World

from sp00ky_core.gate.breaker import BreakerState
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_store_kit.memory import MemoryStore

STEADY = 12
"""Seconds after which a runner judges others."""
LEASE = 40


def breaker(world: World) -> str:
    return world.lab.run(world.lab.store.stats())["api"].breaker.state


def statuses(world: World, *job_ids: str) -> list[JobStatus]:
    return [world.ledger.entries[id_].status for id_ in job_ids]


def test_a_clock_that_jumps_takes_nothing_from_runners_that_beat(world: World) -> None:
    runners = [world.start(), world.start()]
    world.pass_smoothly(STEADY)
    job_ids = [world.enqueue(max_retries=0) for _ in range(4)]
    world.flow()
    flights = world.flights()
    assert len(flights) == 4
    world.jump(3_600)
    world.pass_smoothly(8)
    assert statuses(world, *job_ids) == [JobStatus.PROCESSING] * 4
    for flight in flights:
        world.respond(flight, Delivered())
    world.flow()
    assert statuses(world, *job_ids) == [JobStatus.SUCCESS] * 4
    assert len(runners) == len(world.runners)


def test_what_stays_overdue_by_the_observers_own_clock_is_taken(world: World) -> None:
    world.start()
    world.pass_smoothly(STEADY)
    stuck = world.start()
    job_id = world.enqueue(max_retries=0)
    world.runners[0].is_frozen = True
    world.flow()
    (flight,) = world.flights()
    assert flight.runner_id == stuck.runner.runner_id
    world.runners[0].is_frozen = False
    world.respond(flight, Delivered())
    (settle,) = [call for call in stuck.store.calls if call.method == "settle"]
    settle.is_stalled = True  # for ever; its beats go on
    world.pass_smoothly(STEADY)
    world.jump(3_600)
    world.pass_smoothly(LEASE - 8)
    assert statuses(world, job_id) == [JobStatus.PROCESSING]
    world.pass_smoothly(16)
    assert statuses(world, job_id) == [JobStatus.FAILED]


def test_a_row_of_its_own_that_a_runner_does_not_hold_waits_as_long(world: World) -> None:
    runner = world.start()
    world.pass_smoothly(STEADY)
    store = world.lab.store
    assert isinstance(store, MemoryStore)
    row = {"path": "/spookify", "payload": "{}", "status": "processing", "max_retries": 0}
    job_id = store.write_row("job", {**row, "runner_id": runner.runner.runner_id})
    world.ledger.added(world.lab.run(store.get(job_id)))
    world.ledger.entries[job_id].status = JobStatus.PROCESSING
    world.pass_smoothly(LEASE - 4)
    assert statuses(world, job_id) == [JobStatus.PROCESSING]
    world.pass_smoothly(8)
    assert statuses(world, job_id) == [JobStatus.FAILED]


def test_a_frozen_runners_failures_say_nothing_of_the_backend(world: World) -> None:
    frozen = world.start()
    world.pass_smoothly(STEADY)
    for _ in range(5):
        world.enqueue(max_retries=2)
    world.flow()
    assert len(world.flights()) == 5
    frozen.is_frozen = True
    world.pass_smoothly(16)
    frozen.is_frozen = False
    world.run()  # its timeouts have passed
    assert world.flights() == []
    world.pass_smoothly(4)
    assert breaker(world) == BreakerState.CLOSED
    world.end()
