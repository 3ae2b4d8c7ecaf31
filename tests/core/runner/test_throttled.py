"""A backend that throttles costs its jobs time, and no retries."""

import asyncio

import attrs
import pytest
from tests.core.runner.throttling import Backend, throttled

from sp00ky_conformance.cancellation import turns
from sp00ky_core.config import BackendConfig, BreakerConfig, RetryConfig
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import THROTTLED, Delivered, Outcome, Undelivered
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Attempt

NEVER = 3_600.0


class Window:
    """Takes so many requests in each stretch of time, as many rate limiters count."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.began, self.count = 0.0, 0
        self.refused = 0

    async def __call__(self, _attempt: Attempt) -> Outcome:
        now = asyncio.get_running_loop().time()
        if now - self.began >= self.seconds:
            self.began, self.count = now, 0
        self.count += 1
        is_taken = self.count <= self.most
        await asyncio.sleep(0.001)
        if is_taken:
            return Delivered()
        self.refused += 1
        return throttled(self.seconds)


async def test_a_throttled_job_waits_and_uses_up_no_retry(make_bench) -> None:
    backend = Backend([throttled()] * 5)
    bench = await make_bench(backend)
    job = await bench.add(max_retries=1)
    async with bench.runner():
        ended = await bench.ended(job)
    assert (ended.status, ended.retries, ended.deferred_since) == (JobStatus.SUCCESS, 0, None)
    assert [(error.name, error.code, error.count) for error in ended.errors] == [(THROTTLED, 429, 5)]
    assert backend.requests == 6


async def test_after_too_long_a_wait_answers_use_up_retries(make_bench) -> None:
    backend = Backend([throttled()] * 10_000)
    bench = await make_bench(backend, retry=RetryConfig(base=0, give_up_after=0.1))
    job = await bench.add(max_retries=2)
    async with bench.runner():
        ended = await bench.ended(job)
    assert (ended.status, ended.retries) == (JobStatus.FAILED, 2)
    (entry,) = ended.errors
    assert entry.at is not None
    assert entry.since is not None
    assert (entry.at - entry.since).total_seconds() >= 0.1
    assert (entry.count, backend.requests > 3) == (backend.requests, True)


class Plugin:
    """Knows that this backend says 403 when it has had enough."""

    def __init__(self) -> None:
        self.settled: list[tuple[str, bool]] = []

    @hookimpl
    def sp00ky_classify_outcome(self, job: Job, backend: BackendConfig, outcome: Outcome) -> Outcome | None:
        if isinstance(outcome, Undelivered) and outcome.code == 403:
            return attrs.evolve(outcome, name=THROTTLED)
        return None

    @hookimpl
    def sp00ky_job_settled(self, job: Job, transition: Transition) -> None:
        self.settled.append((transition.to.value, transition.defers))


async def test_a_plugin_says_it_by_name_and_observers_are_told(make_bench) -> None:
    backend = Backend([Undelivered(name="http_status", code=403, retry_after=0.01)])
    bench = await make_bench(backend)
    plugin = Plugin()
    bench.plugins.register(plugin, name="limits", distribution="limits")
    job = await bench.add(max_retries=1)
    async with bench.runner():
        ended = await bench.ended(job)
    assert [(error.name, error.code) for error in ended.errors] == [(THROTTLED, 403)]
    assert plugin.settled == [("pending", True), ("success", False)]


@pytest.mark.parametrize("breaker", [BreakerConfig(), None], ids=["breaker", "none"])
async def test_during_the_pause_nothing_is_sent_to_the_backend(
    make_bench, breaker: BreakerConfig | None
) -> None:
    backend = Backend([throttled(NEVER)] * 100)
    bench = await make_bench(backend, concurrency=1, breaker=breaker, retry=RetryConfig(cap=NEVER))
    jobs = [await bench.add() for _ in range(5)]
    other = await bench.add(backend="other")
    async with bench.runner():
        await bench.until(jobs[0], lambda now: now.deferred_since is not None)
        backend.outcomes.clear()
        assert (await bench.ended(other)).status is JobStatus.SUCCESS
        await turns(300)
        stats = (await bench.store.stats())["api"]
    assert backend.requests == 1
    assert (stats.pending, stats.deferred) == (5, 1)


@pytest.mark.parametrize("runners", [1, 4])
async def test_fewer_are_refused_than_delivered_and_none_fails(make_bench, runners: int) -> None:
    backend = Window(10, 0.1)
    bench = await make_bench(backend, concurrency=50, retry=RetryConfig())
    jobs = [await bench.add() for _ in range(200)]
    fleet = [bench.runner() for _ in range(runners)]
    for runner in fleet:
        await runner.start()
    for job in jobs:
        ended = await bench.ended(job)
        assert (ended.status, ended.retries) == (JobStatus.SUCCESS, 0)
    for runner in fleet:
        await runner.drain()
    assert 0 < backend.refused < 200
