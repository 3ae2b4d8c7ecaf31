"""An outage in virtual time: when probes are sent, by whom, and when all runners go on."""

from __future__ import annotations

import pytest
from tests.simulation import World

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered

AWAY = Undelivered(name="http_status", code=503, counts_as="unavailable")
REFUSED = Undelivered(name="connect")


def respond_all(world: World, outcome: Outcome) -> int:
    flights = world.flights()
    for flight in flights:
        world.respond(flight, outcome)
    world.flow()
    return len(flights)


def probes(world: World, seconds: float, outcome: Outcome) -> list[float]:
    """When probes were sent; each is answered at once."""
    sent, end = [], world.clock.monotonic() + seconds
    while world.clock.monotonic() < end:
        world.leap(0.1)
        world.flow()
        if count := respond_all(world, outcome):
            assert count == 1
            sent.append(world.clock.monotonic())
    return sent


@pytest.mark.parametrize("outcome", [AWAY, REFUSED])
def test_one_runner_at_a_time_probes_after_intervals_that_double(world: World, outcome: Undelivered) -> None:
    for _ in range(3):
        world.start()
    world.pass_smoothly(12)
    for _ in range(30):
        world.enqueue(max_retries=9)
    world.flow()
    opened_at = world.clock.monotonic()
    assert respond_all(world, outcome) >= 3
    sent = probes(world, 100, outcome)
    gaps = [after - before for before, after in zip([opened_at, *sent], sent, strict=False)]
    assert gaps == pytest.approx([1, 2, 4, 8, 16, 30, 30], abs=0.25)
    world.end()
    assert {entry.status for entry in world.ledger.entries.values()} == {JobStatus.SUCCESS}


def test_when_a_probe_is_answered_every_runner_goes_on_at_once(world: World) -> None:
    for _ in range(3):
        world.start()
    world.pass_smoothly(12)
    for _ in range(200):
        world.enqueue(max_retries=9)
    world.flow()
    respond_all(world, AWAY)
    probes(world, 20, AWAY)
    while not world.flights():
        world.leap(0.1)
        world.flow()
    respond_all(world, Delivered())
    world.leap(0.3)
    world.flow()
    assert {flight.runner_id for flight in world.flights()} == {
        runner.runner.runner_id for runner in world.runners
    }
    world.end()


def test_a_dead_runners_probe_is_taken_over_once_it_is_known_to_be_dead(world: World) -> None:
    world.start()
    world.start()
    world.pass_smoothly(12)
    for _ in range(10):
        world.enqueue(max_retries=1)
    world.flow()
    respond_all(world, AWAY)
    while not world.flights():
        world.leap(0.1)
        world.flow()
    (flight,) = world.flights()
    (prober,) = [runner for runner in world.runners if runner.runner.runner_id == flight.runner_id]
    taken_at = world.clock.monotonic()
    world.crash(prober)
    while not world.flights():
        world.leap(0.1)
        world.flow()
    assert world.clock.monotonic() - taken_at < 10  # virtual seconds; its lease is for 15
    world.end()
