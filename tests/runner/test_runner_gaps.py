"""Runners that were out of touch with the database: what they had claimed before may be others' by now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sp00ky_core.job import JobStatus
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.testing.simulation import MemoryLab, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    tables = (JobTable(backend="api", table="job"),)
    world = World(MemoryLab(StoreOptions(url="memory://", tables=tables)), tables, tmp_path)
    yield world
    world.close()


def test_what_was_claimed_before_a_gap_between_beats_is_not_sent_after_it(world: World, caplog) -> None:
    caplog.set_level(logging.ERROR)
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


def test_what_is_given_back_after_a_gap_costs_no_attempt(world: World, caplog) -> None:
    caplog.set_level(logging.ERROR)
    runner = world.start()
    world.pass_smoothly(2)
    job_id = world.enqueue(max_retries=0)
    world.run()
    (claim,) = [call for call in runner.store.calls if call.method == "claim"]
    world.reach(claim)
    world.leap(7)
    world.pass_smoothly(4)
    (flight,) = world.flights()
    assert (flight.attempt.job.id, flight.attempt.job.lease_epoch, flight.attempt.number) == (job_id, 2, 1)
    world.respond(flight, Delivered())
    world.end()
    assert world.ledger.entries[job_id].status is JobStatus.SUCCESS


def test_an_outcome_that_comes_to_nothing_lets_go_of_no_later_claim_of_its_job(world: World, caplog) -> None:
    caplog.set_level(logging.ERROR)
    runner = world.start()
    world.pass_smoothly(12)
    world.enqueue(max_retries=1)
    world.flow()
    world.respond(world.flights()[0], Delivered())
    (settle,) = [call for call in runner.store.calls if call.method == "settle"]
    settle.is_stalled = True
    world.pass_smoothly(42)  # its lease runs out, and it is claimed again
    (again,) = world.flights()
    world.answer(runner, settle)  # too late: the lease is lost
    world.pass_smoothly(4)  # what the runner didn't hold would be given back, and sent once more
    assert world.flights() == [again]
    world.respond(again, Delivered())
    world.end()


def test_a_drain_gives_back_what_was_not_started_while_the_rest_is_in_flight(world: World, caplog) -> None:
    caplog.set_level(logging.ERROR)
    runner = world.start()
    world.pass_smoothly(2)
    world.enqueue(max_retries=0)
    world.flow()
    unstarted = world.enqueue(max_retries=0)
    world.run()
    (claim,) = [call for call in runner.store.calls if call.method == "claim"]
    world.reach(claim)
    runner.drain()
    world.flow()
    (in_flight,) = world.flights()
    assert world.ledger.entries[unstarted].status is JobStatus.PENDING
    world.respond(in_flight, Delivered())
    world.end()
