"""The forecast beside a runner in virtual time, which goes through the same outage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.planner.test_simulation import found
from tests.simulation import MemoryLab, World

from sp00ky_core.job import JobStatus
from sp00ky_core.planner.simulation import FAILURES, Outage
from sp00ky_core.ports import JobTable, StoreOptions

SECONDS, JOBS, STEP = 20, 20, 0.1


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    caplog.set_level(logging.CRITICAL)
    tables = (JobTable(backend="api", table="job"),)
    world = World(MemoryLab(StoreOptions(url="memory://", tables=tables)), tables, tmp_path)
    yield world
    world.close()


def requests_in(world: World, failure: str) -> int:
    """Enqueue a job a second while each request fails; count the requests."""
    requests, began = 0, world.clock.monotonic()
    for tick in range(round(SECONDS / STEP)):
        if tick % round(SECONDS / JOBS / STEP) == 0:
            world.enqueue(max_retries=3)
        world.flow()
        for flight in world.flights():
            requests += 1
            world.respond(flight, FAILURES[failure])
        world.flow()
        world.leap(STEP)
    assert world.clock.monotonic() - began == pytest.approx(SECONDS, abs=0.5)
    return requests


@pytest.mark.parametrize(("failure", "breaker"), [("500", None), ("503", True)])
def test_as_many_fail_after_as_many_requests(world: World, failure: str, breaker: bool | None) -> None:
    world.start()
    world.pass_smoothly(12)
    requests = requests_in(world, failure)
    world.end()
    statuses = [entry.status for entry in world.ledger.entries.values()]
    forecast = found(Outage(seconds=SECONDS, jobs=JOBS, latency=0.001))[failure, breaker]
    assert statuses.count(JobStatus.FAILED) == pytest.approx(
        forecast.failed, abs=1
    )  # the runner's delays vary
    assert requests == pytest.approx(forecast.requests, abs=4)
