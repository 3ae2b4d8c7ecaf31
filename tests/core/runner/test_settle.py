"""What plugins, strategies and transports answer, as settlements."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from tests.core.runner.conftest import FAST, Bench
from tests.core.runner.throttling import throttled

from sp00ky_conformance.cancellation import turns
from sp00ky_conformance.faults import Fault, FaultyStore, Scripted
from sp00ky_core.backend.backend import Backends
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.config import BreakerConfig, RetryConfig
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import CONNECT, Delivered, Outcome, Undelivered
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Attempt, RouteLimits, Settlement, SettleResult, StoreOptions
from sp00ky_core.runner import Runner
from sp00ky_core.testing.perform import ScriptedTransport
from sp00ky_store_kit.memory import MemoryStore


@pytest.mark.parametrize("error", [KeyError, asyncio.CancelledError])
async def test_a_strategy_that_fails_says_so_and_counts_as_the_cap(make_bench, caplog, error) -> None:
    def broken(_policy: RetryPolicy, _n: int) -> float:
        raise error("a bug")

    plugin = SimpleNamespace(sp00ky_register_retry_strategies=hookimpl(lambda: {"broken": broken}))
    retry = RetryConfig(cap=60, jitter=0)
    bench = await make_bench(lambda attempt: Undelivered(name="timeout"), plugin, retry=retry)
    job = await bench.add(retry_strategy="broken")
    async with bench.runner():
        waiting = await bench.until(job, lambda now: now.retries == 1)
    assert (waiting.run_at - waiting.updated_at).total_seconds() == 60
    assert any(record.exc_info and "broken" in record.message for record in caplog.records)


def _raise(error: BaseException) -> None:
    raise error


WRONG_DECISIONS = {
    "classify: True": {"sp00ky_classify_outcome": lambda: True},
    "classify: no text": {"sp00ky_classify_outcome": lambda: Undelivered(name="x", reason=None)},
    "policy: a dict": {"sp00ky_retry_policy": lambda: {"base": 1}},
    "observer: cancelled": {"sp00ky_attempt_started": lambda: _raise(asyncio.CancelledError())},
}


@pytest.mark.parametrize("hooks", WRONG_DECISIONS.values(), ids=WRONG_DECISIONS)
async def test_a_plugin_that_answers_nonsense_costs_no_job(make_bench, hooks: dict[str, Any]) -> None:
    bench = await make_bench(
        lambda attempt: Undelivered(name="timeout") if attempt.number == 1 else Delivered(),
        concurrency=2,
        breaker=None,  # five timeouts would open it
    )
    plugin = SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})
    bench.plugins.register(plugin, name="nonsense", distribution="a-test")
    jobs = [await bench.add() for _ in range(5)]
    async with bench.runner():
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS


ROLLING = {"route_delay": 0.02, "route_wait": 3_600.0}


def backends_with(bench: Bench, spec: Path | None) -> Backends:
    """The backend ``api`` alone, with another document if there is one."""
    api = bench.config.backends["api"]
    config = attrs.evolve(bench.config, backends={"api": attrs.evolve(api, spec=spec or api.spec)})
    return load_backends(config, frozenset(bench.plugins.strategies))


def runner_with(bench: Bench, spec: Path | None, **options: Any) -> Runner:
    """A runner of the backend ``api`` that may have read another document."""
    backends = backends_with(bench, spec)
    return Runner(
        store=bench.store,
        backends=backends,
        transports=dict.fromkeys(backends, bench.transport),
        hooks=bench.plugins.hooks(),
        strategies=bench.plugins.strategies,
        options=attrs.evolve(FAST, **{**ROLLING, **options}),
    )


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The document of ``make_bench`` with one more route."""
    spec = tmp_path / "newer.json"
    paths = {path: {"post": {}} for path in ("/spookify", "/chat", "/new")}
    spec.write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
    return spec


async def test_an_old_runner_leaves_a_new_route_to_those_that_know_it(make_bench, newer: Path) -> None:
    bench = await make_bench()
    async with runner_with(bench, None) as old, runner_with(bench, newer, poll=3_600) as new:
        await until_seen(bench, old, new)
        jobs = await bench.store.add([NewJob(path="/new", backend="api", max_retries=0) for _ in range(30)])
        for job in jobs:
            ended = await bench.ended(job)
            assert (ended.status, ended.retries, ended.errors) == (JobStatus.SUCCESS, 0, ())


async def test_a_job_does_not_wait_for_ever(make_bench, newer: Path) -> None:
    bench = await make_bench()
    new = runner_with(bench, newer)
    async with runner_with(bench, None, route_wait=0.05) as old:
        await new._beat.beat()
        await until_seen(bench, old, new)
        ended = await bench.ended(await bench.add("/new", max_retries=1))
    assert (ended.status, {error.name for error in ended.errors}) == (JobStatus.FAILED, {"unknown_route"})


async def test_runners_say_what_they_have_read(make_bench, newer: Path) -> None:
    bench = await make_bench()
    async with runner_with(bench, newer) as new:
        info = (await bench.store.beat("somebody"))[new.runner_id].info
    backend = backends_with(bench, newer)["api"]
    assert info.documents == {"api": backend.document, "table:job": "api"}
    assert backend.document != backend.contract.document.digest  # 0.2's: so it waits with what it can't read
    assert info.version


async def until_seen(bench: Bench, *runners: Runner) -> None:
    """Return once the first of the runners has seen the others beat."""
    while len(runners[0]._beat.beating()) < len(runners):
        await turns(1)


LOST_REPLY = Fault(lost_reply=True)
NO_CONNECTION = Fault()


async def test_what_fails_is_logged_without_the_backend_s_words(make_bench, caplog) -> None:
    """They may repeat the payload; the row has them."""
    caplog.set_level(logging.INFO)
    bench = await make_bench(
        lambda _attempt: Undelivered(code=500, name="http_status", reason="out of ghosts")
    )
    job = await bench.add(max_retries=1)
    async with bench.runner():
        ended = await bench.ended(job)
    logged = [
        (record.levelname, record.getMessage()) for record in caplog.records if job.id in record.getMessage()
    ]
    about = f"{job.id} (api '/spookify')"
    assert logged == [
        ("INFO", f"{about} is retried in 0.0 s: attempt 1: http_status: HTTP 500"),
        ("WARNING", f"{about} failed: attempt 2: http_status: HTTP 500"),
    ]
    assert [error.reason for error in ended.errors] == [
        "out of ghosts",
        "out of ghosts; not tried again: no retry left of 1",
    ]


async def test_a_long_outage_of_the_store_loses_nothing(make_bench, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    bench, faults = await make_bench(), Scripted()
    for method in ("claim", "settle", "beat", "release", "reclaim", "next_due"):
        faults.put(method, None, *[NO_CONNECTION] * 3, LOST_REPLY, LOST_REPLY)
    jobs = [await bench.add(max_retries=0) for _ in range(30)]
    async with bench.runner(FaultyStore(bench.store, faults)):
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
    assert len(bench.transport.attempts) == len(jobs)


async def test_the_next_of_a_key_starts_when_the_one_before_is_written(make_bench) -> None:
    bench, faults, written = await make_bench(), Scripted(), asyncio.Event()
    faults.put("settle", Fault(held_until=written, fails=False))
    jobs = [await bench.add(ordering_key="k") for _ in range(2)]
    async with bench.runner(FaultyStore(bench.store, faults), poll=3_600):
        await bench.transport.began(1)
        for _ in range(100):  # the runner has asked for the next due job, and waits
            await asyncio.sleep(0)
        written.set()
        for job in jobs:
            await bench.ended(job)


class Counting(MemoryStore):
    """A store that counts what each write has, and holds the first one."""

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self.sizes: list[int] = []
        self.writing, self.held = asyncio.Event(), asyncio.Event()

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        self.sizes.append(len(settlements))
        self.writing.set()
        await self.held.wait()
        return await super().settle(settlements)


@pytest.mark.parametrize(
    ("settle_batch", "sizes"), [(500, [1, 199]), (90, [1, 90, 90, 19]), (500, [1, 80, 19])]
)
async def test_outcomes_that_come_fast_are_gathered(make_bench, monkeypatch, settle_batch, sizes) -> None:
    """Until a batch is full, or few attempts are under way: of a key they may wait for this write."""
    count = sum(sizes)
    monkeypatch.setattr("sp00ky_core.runner.settle.GATHERING", 3_600)
    first, most, rest = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ends = iter([first, *[most] * 80, *[rest] * (count - 81)])

    async def wait(_attempt: Attempt) -> Outcome:
        await next(ends).wait()
        return Delivered()

    bench = await make_bench(wait, concurrency=count)
    store = Counting(StoreOptions(url="memory://", tables=bench.tables))
    jobs = await store.add([NewJob(path="/spookify", backend="api") for _ in range(count)])
    async with bench.runner(store, settle_batch=settle_batch, unanswered=0):
        await bench.transport.began(count)
        first.set()
        await store.writing.wait()
        most.set()
        while bench.transport.in_flight > count - 81:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)
        store.held.set()
        await turns(100)  # it is written, and the others wait
        rest.set()
    assert store.sizes == sizes
    assert {(await store.get(job.id)).status for job in jobs} == {JobStatus.SUCCESS}


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
