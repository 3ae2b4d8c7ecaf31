"""A runner whose transport keeps routes apart: one that is down, or asks for a rest, holds up no other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import attrs
from tests.core.runner.throttling import throttled

from sp00ky_core.config import BreakerConfig
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import CONNECT, Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt, RouteLimits
from sp00ky_core.testing.perform import ScriptedTransport

BREAKER = BreakerConfig(failures=2, interval=0.05)


@attrs.define
class Routes:
    """Answers by route, and counts; a route that is down doesn't connect, one that hangs never answers."""

    down: set[str] = attrs.field(factory=set)
    hanging: set[str] = attrs.field(factory=set)
    throttling: dict[str, float] = attrs.field(factory=dict)
    at_once: dict[str, int] = attrs.field(factory=dict)
    most: dict[str, int] = attrs.field(factory=dict)

    async def __call__(self, attempt: Attempt) -> Outcome:
        path = attempt.job.path
        self.at_once[path] = self.at_once.get(path, 0) + 1
        self.most[path] = max(self.most.get(path, 0), self.at_once[path])
        try:
            await asyncio.sleep(attempt.timeout if path in self.hanging else 0.002)
        finally:
            self.at_once[path] -= 1
        if path in self.throttling:
            return throttled(self.throttling[path])
        return Undelivered(name=CONNECT) if path in self.down | self.hanging else Delivered()


class Knowing(ScriptedTransport):
    """A transport that knows limits of its routes, and hears which are shut."""

    def __init__(self, script: Routes) -> None:
        super().__init__(script)
        self.heard: dict[str, float] = {}

    def limits(self, _route: str) -> RouteLimits:
        return RouteLimits(max_in_flight=2)

    async def put_off(self, route: str, seconds: float) -> None:
        self.heard[route] = seconds


async def test_a_route_that_is_down_holds_up_no_other(make_bench) -> None:
    routes = Routes(down={"/spookify"})
    bench = await make_bench(routes, breaker=BREAKER, isolation="route")
    dead = [await bench.add(max_retries=1000) for _ in range(20)]
    async with bench.runner():
        for _ in range(20):
            await bench.ended(await bench.add("/chat"))
        assert not (await bench.store.get(dead[-1].id)).is_terminal
        routes.down.clear()
        for job in dead:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS


async def test_a_pause_of_a_route_is_its_own_and_its_waiting_jobs_start_after_it(make_bench) -> None:
    routes = Routes(throttling={"/spookify": 100.0})
    bench = await make_bench(routes, isolation="route", concurrency=1)
    asking = [await bench.add() for _ in range(30)]
    async with bench.runner():
        assert (await bench.ended(await bench.add("/chat"))).status is JobStatus.SUCCESS
        in_a_minute = datetime.now(UTC) + timedelta(seconds=60)
        for job in asking:
            await bench.until(job, lambda now: now.run_at is not None and now.run_at > in_a_minute)
    assert len(bench.paths()) < 10


async def test_the_transport_says_what_a_route_is_sent_and_hears_that_it_is_shut(make_bench) -> None:
    routes = Routes(down={"/chat"})
    bench = await make_bench(routes, breaker=BREAKER, isolation="route")
    bench.transport = Knowing(routes)
    many = [await bench.add() for _ in range(20)]
    for _ in range(10):
        await bench.add("/chat", max_retries=1000)
    async with bench.runner():
        for job in many:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
    assert routes.most["/spookify"] == 2
    assert set(bench.transport.heard) == {"/chat"}


async def test_routes_that_hang_leave_places_to_others(make_bench) -> None:
    routes = Routes(hanging={"/spookify"})
    bench = await make_bench(routes, breaker=BREAKER, isolation="route", concurrency=4, timeout=30.0)
    for _ in range(20):
        await bench.add(max_retries=1000)
    async with bench.runner(grace=0.05):
        for _ in range(10):
            await bench.ended(await bench.add("/chat"))
    assert routes.most["/spookify"] == 1
