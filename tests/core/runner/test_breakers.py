"""A backend that is away: its jobs wait, one probe at a time is sent, and the other backends don't notice."""

import asyncio
import logging
import re
from contextlib import AsyncExitStack
from typing import Any

import pytest

from sp00ky_conformance.cancellation import turns
from sp00ky_conformance.faults import Fault, FaultyStore, Scripted
from sp00ky_core.config import BreakerConfig
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Attempt

AWAY = Undelivered(name="http_status", code=503, counts_as="unavailable")
REFUSED = Undelivered(name="connect")
NEVER = 3_600.0
"""Seconds beyond a test's end."""


class Backend:
    """Answers as it is told, and records what was sent to it while it was away."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.requests: list[Attempt] = []
        self.answered = asyncio.Event()

    def __call__(self, attempt: Attempt) -> Outcome:
        if attempt.backend.name != "api":
            return Delivered()
        self.requests.append(attempt)
        self.answered.set()
        return self.outcome

    async def asked(self, times: int) -> None:
        """Wait until so much was sent to it."""
        while len(self.requests) < times:
            self.answered.clear()
            await self.answered.wait()

    def come_back(self) -> None:
        self.outcome = Delivered()


class Witness:
    """Notes what it is told of breakers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    @hookimpl
    def sp00ky_breaker_changed(self, backend: str, state: str) -> None:
        self.seen.append((backend, state))


async def until(met: Any) -> None:
    while not await met():  # noqa: ASYNC110  # the store would have to signal
        await asyncio.sleep(0.005)


async def is_open(bench: Any) -> bool:
    return bool((await bench.store.stats())["api"].breaker.state == "open")


@pytest.mark.parametrize("outcome", [AWAY, REFUSED, Undelivered(name="timeout"), Undelivered(name="reset")])
async def test_while_a_backend_is_away_its_jobs_wait(make_bench, outcome: Undelivered) -> None:
    backend = Backend(outcome)
    bench = await make_bench(backend, concurrency=1, breaker=BreakerConfig(failures=3, interval=NEVER))
    jobs = [await bench.add(max_retries=5) for _ in range(20)]
    others = [await bench.add(backend="other") for _ in range(20)]
    async with bench.runner(poll=60):
        for other in others:
            assert (await bench.ended(other)).status is JobStatus.SUCCESS
        await until(lambda: is_open(bench))
    assert len(backend.requests) == 3
    now = [await bench.store.get(job.id) for job in jobs]
    assert {job.status for job in now} == {JobStatus.PENDING}
    assert sum(len(job.errors) for job in now) == sum(job.retries for job in now) == 3


async def _processing(bench: Any, *, more_than: int = -1, exactly: int | None = None) -> bool:
    count = (await bench.store.stats())["api"].processing
    return bool(count > more_than if exactly is None else count == exactly)


async def test_each_change_is_told_once_however_many_runners_there_are(make_bench, caplog) -> None:
    caplog.set_level(logging.INFO, logger="sp00ky_core.gate.gate")
    backend, witness = Backend(AWAY), Witness()
    bench = await make_bench(backend, breaker=BreakerConfig(failures=3, interval=0.05))
    bench.plugins.register(witness, name="witness", distribution="a-test")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    options = {"max_retries": 99, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    jobs = [await bench.add(**options) for _ in range(50)]
    async with bench.runner(poll=60), bench.runner(poll=60), bench.runner(poll=60):
        await until(lambda: is_open(bench))
        assert witness.seen == [("api", "open")]
        await backend.asked(5)
        backend.come_back()
        for job in jobs:
            await bench.ended(job)
    assert witness.seen == [("api", "open"), ("api", "closed")]
    said = {*re.findall(r"unavailable: .* \(job (.*) \(trace (.*)\), '/spookify': http_status", caplog.text)}
    assert set() < said <= {(job.id, trace) for job in jobs}
    opened = [vars(record) for record in caplog.records if "breaker_opened" in vars(record).values()]
    assert said == {(facts["job_id"], facts["trace_id"]) for facts in opened if "job_id" in facts}
    assert "backend api answers again" in caplog.text


async def test_a_slot_is_free_once_the_fleet_knows_of_its_failure(make_bench) -> None:
    backend, faults, go = Backend(AWAY), Scripted(), asyncio.Event()
    held = Fault(held_until=go, fails=False)
    faults.put("change_breaker", held, held, held)
    bench = await make_bench(backend, concurrency=2, breaker=BreakerConfig(failures=3, interval=NEVER))
    jobs = [await bench.add(max_retries=9) for _ in range(30)]
    store = FaultyStore(bench.store, faults)
    runners = [bench.runner(store, unanswered=0) for _ in range(3)]
    async with runners[0], runners[1], runners[2]:
        while faults.left():  # noqa: ASYNC110  # until each has sent its change: nothing tells of it
            await asyncio.sleep(0)
        await until(lambda: _processing(bench, exactly=0))  # the failed attempts are written without delay
        await turns(200)  # more than further attempts would take
        assert len(backend.requests) == 6  # one for each slot
        go.set()
        await until(lambda: is_open(bench))
    assert len(backend.requests) < 6 + 3  # the first two of the fleet's failures don't open it
    assert sum([(await bench.store.get(job.id)).retries for job in jobs]) == len(backend.requests)


async def test_a_change_whose_reply_was_lost_stays_and_is_told(make_bench, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    backend, witness, faults = Backend(AWAY), Witness(), Scripted()
    bench = await make_bench(backend, concurrency=1, breaker=BreakerConfig(failures=1, interval=0.05))
    bench.plugins.register(witness, name="witness", distribution="a-test")
    faults.put("change_breaker", Fault(lost_reply=True))
    job = await bench.add(max_retries=9)
    async with bench.runner(FaultyStore(bench.store, faults)):
        await until(lambda: is_open(bench))
        faults.put("change_breaker", Fault(lost_reply=True))
        backend.come_back()
        await bench.ended(job)
        await until(lambda: _closed(bench))
    assert witness.seen == [("api", "open"), ("api", "closed")]


async def _closed(bench: Any) -> bool:
    return bool((await bench.store.stats())["api"].breaker.state == "closed")


class DeadRoute:
    """Answers all routes but one, and counts what that was sent."""

    def __init__(self, outcome: Undelivered, route: str = "/spookify") -> None:
        self.outcome: Outcome = outcome
        self.route = route
        self.requests = 0

    def __call__(self, attempt: Attempt) -> Outcome:
        if attempt.job.path != self.route:
            return Delivered()
        self.requests += 1
        return self.outcome


@pytest.mark.parametrize(
    ("runners", "outcome"),
    [(1, Undelivered(name="timeout")), (3, Undelivered(name="http_status", code=504, counts_as="timeout"))],
)
async def test_a_route_that_does_not_answer_holds_up_no_other(
    make_bench, caplog: pytest.LogCaptureFixture, runners: int, outcome: Undelivered
) -> None:
    """However many of its jobs stand before the others, they wait, and use up no retry."""
    backend = DeadRoute(outcome)
    bench = await make_bench(backend, concurrency=5, breaker=BreakerConfig(failures=3, interval=0.01))
    dead = [await bench.add(max_retries=99) for _ in range(300)]
    others = [await bench.add("/chat") for _ in range(20)]
    async with AsyncExitStack() as stack:
        for _ in range(runners):
            await stack.enter_async_context(bench.runner())
        for job in [*others, *[await bench.add("/chat") for _ in range(20)]]:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
        assert not await is_open(bench)
        now = [await bench.store.get(job.id) for job in dead]
        assert {job.status for job in now} <= {JobStatus.PENDING, JobStatus.PROCESSING}  # given back
        assert sum(job.retries for job in now) <= backend.requests < 100
        assert any(job.deferred_since is not None and not job.errors for job in now)
        backend.outcome = Delivered()
        for job in dead:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
    facts = [
        (record.event, record.backend, record.path) for record in caplog.records if hasattr(record, "path")
    ]
    said = [fact for fact in facts if fact[0].startswith("breaker")]
    assert {*said} == {("breaker_opened", "api", "/spookify"), ("breaker_closed", "api", "/spookify")}
    assert len(said) <= 2 * runners  # a line of each runner's, not of each job
    assert {record.job_id for record in caplog.records if hasattr(record, "path")} <= {job.id for job in dead}
