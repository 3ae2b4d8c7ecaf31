"""A backend that is away: its jobs wait, one probe at a time is sent, and the other backends don't notice."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from sp00ky_conformance.cancellation import turns
from sp00ky_conformance.faults import Fault, FaultyStore, Scripted
from sp00ky_core.config import BreakerConfig, RetryConfig
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.gate.breaker import Breaker, BreakerChange, Failed, change_after
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Attempt, Claim, Store
from sp00ky_core.runner import settle

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


async def test_what_was_claimed_ahead_is_given_back_unharmed(make_bench) -> None:
    bench = await make_bench(concurrency=10, breaker=BreakerConfig(failures=1, interval=NEVER))
    go = asyncio.Event()

    async def hold(_attempt: Attempt) -> Outcome:
        await go.wait()
        return AWAY

    async with bench.runner() as runner:
        await bench.ended([await bench.add() for _ in range(500)][-1])  # fast: it is claimed for ahead
        bench.transport.script = hold
        jobs = [await bench.add(max_retries=1) for _ in range(100)]
        await bench.transport.began(500 + 10)
        await until(lambda: _processing(bench, more_than=10))
        before = len(bench.transport.attempts)
        go.set()
        await until(lambda: is_open(bench))
        await until(lambda: _processing(bench, exactly=0))
        assert (len(bench.transport.attempts), runner.in_flight) == (before, 0)
    now = [await bench.store.get(job.id) for job in jobs]
    assert sum(job.retries for job in now) == 10  # those in flight when it opened
    assert max(job.lease_epoch for job in now if not job.errors) == 1  # claimed, and given back


async def _processing(bench: Any, *, more_than: int = -1, exactly: int | None = None) -> bool:
    count = (await bench.store.stats())["api"].processing
    return bool(count > more_than if exactly is None else count == exactly)


async def test_delivery_goes_on_when_a_probe_is_answered(make_bench) -> None:
    backend = Backend(AWAY)
    bench = await make_bench(backend, concurrency=2, breaker=BreakerConfig(failures=3, interval=0.05))
    jobs = [await bench.add(max_retries=9) for _ in range(10)]
    async with bench.runner(poll=60):  # nothing but the pause's end wakes it
        await until(lambda: is_open(bench))
        await backend.asked(6)  # probes come
        backend.come_back()
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS
    assert (await bench.store.stats())["api"].breaker.state == "closed"


async def test_a_probe_that_cannot_connect_costs_its_job_nothing(make_bench) -> None:
    backend = Backend(REFUSED)
    bench = await make_bench(backend, concurrency=1, breaker=BreakerConfig(failures=2, interval=0.02))
    jobs = [await bench.add(max_retries=0), *[await bench.add(max_retries=1) for _ in range(5)]]
    async with bench.runner(poll=60):
        await backend.asked(6)
        backend.come_back()
        ended = [await bench.ended(job) for job in jobs]
    assert sum(len(job.errors) for job in ended) == 2  # of the attempts that opened it
    assert [job.status for job in ended] == [JobStatus.FAILED, *[JobStatus.SUCCESS] * 5]


@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_pauses_the_whole_backend(make_bench, code: int) -> None:
    meaning = "throttled" if code == 429 else "unavailable"
    asks = Undelivered(name="http_status", code=code, retry_after=NEVER, counts_as=meaning)
    backend = Backend(asks)
    bench = await make_bench(backend, concurrency=1, retry=RetryConfig(base=0, cap=NEVER))
    for _ in range(5):
        await bench.add(max_retries=3)
    async with bench.runner(poll=60):
        await backend.answered.wait()
        await until(lambda: _paused(bench))
        await bench.ended(await bench.add(backend="other"))
    assert len(backend.requests) == 1
    breaker = (await bench.store.stats())["api"].breaker
    assert (breaker.state, breaker.paused_for_s) == ("closed", pytest.approx(NEVER, abs=60))


async def _paused(bench: Any) -> bool:
    return bool((await bench.store.stats())["api"].breaker.paused_for_s)


async def test_a_pause_lasts_no_longer_than_the_cap_and_delivery_goes_on_after_it(make_bench) -> None:
    backend = Backend(Undelivered(name="http_status", code=429, retry_after=NEVER, counts_as="throttled"))
    bench = await make_bench(backend, concurrency=1, retry=RetryConfig(base=0, cap=0.1))
    jobs = [await bench.add(max_retries=3) for _ in range(3)]
    async with bench.runner(poll=60):
        await backend.answered.wait()
        backend.come_back()
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS


async def test_what_a_plugin_makes_of_an_outcome_counts(make_bench) -> None:
    class Knows503:
        @hookimpl
        def sp00ky_classify_outcome(self, outcome: Outcome) -> Outcome | None:
            return Undelivered(name="ghost_is_shy") if outcome == AWAY else None

    bench = await make_bench(Backend(AWAY), breaker=BreakerConfig(failures=1, interval=NEVER))
    bench.plugins.register(Knows503(), name="knows", distribution="a-test")
    job = await bench.add(max_retries=4)
    async with bench.runner():
        assert len((await bench.ended(job)).errors) == 5


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


async def test_a_runner_that_only_watched_goes_on_at_once_when_another_one_closes_it(make_bench) -> None:
    bench = await make_bench(Backend(AWAY), concurrency=1, breaker=BreakerConfig(failures=1, interval=0.05))
    await bench.add(max_retries=9)
    probing, back, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    answered: list[Attempt] = []

    async def answer(attempt: Attempt) -> Outcome:
        gate = over if probing.is_set() else back
        answered.append(attempt)
        probing.set()
        await gate.wait()
        return Delivered()

    async def both_go_on() -> bool:
        return len(answered) == 1 + 2  # the probe before

    async with bench.runner(poll=60), bench.runner(poll=60):
        await until(lambda: is_open(bench))
        bench.transport.script = answer
        await probing.wait()
        jobs = [await bench.add() for _ in range(5)]
        back.set()
        await until(both_go_on)
        assert bench.transport.in_flight == 2  # of two runners, for each has one place
        over.set()
        for job in jobs:
            await bench.ended(job)


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


class Slow(FaultyStore):
    """No signals; ``api`` is away at the first claim, and claims without it last until its pause is over."""

    opening: BreakerChange | None = None

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        if self.opening is not None:
            await self.change_breaker(self.opening)  # as another runner would
            self.opening = None
        claim = await super().claim(slots_by_backend, runner_id)
        while "api" not in slots_by_backend and (await self.stats())["api"].breaker.paused_for_s:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.005)
        return claim

    async def work_signal(self) -> AsyncGenerator[None, None]:
        await asyncio.Event().wait()
        yield


async def test_other_backends_jobs_do_not_keep_a_probe_waiting(make_bench) -> None:
    async def answer(attempt: Attempt) -> Outcome:
        await asyncio.sleep(0.001 if attempt.backend.name == "other" else 0)
        return Delivered()

    bench = await make_bench(answer, breaker=BreakerConfig(failures=1, interval=0.05))
    others = [await bench.add(backend="other") for _ in range(1_000)]
    await bench.add()
    store = Slow(bench.store, Scripted())
    store.opening = change_after("api", Breaker(), Failed(), BreakerConfig(failures=1, interval=0.05))
    async with bench.runner(store, poll=60):
        for other in others:
            await bench.ended(other)
    backends = [attempt.backend.name for attempt in bench.transport.attempts]
    assert backends.index("api") < len(others)


async def test_a_change_that_cannot_be_written_at_once_is_not_lost(make_bench, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    backend, witness, faults = Backend(AWAY), Witness(), Scripted()
    faults.put("change_breaker", Fault(), Fault(), Fault())
    bench = await make_bench(backend, concurrency=1, breaker=BreakerConfig(failures=3, interval=NEVER))
    bench.plugins.register(witness, name="witness", distribution="a-test")
    for _ in range(10):
        await bench.add(max_retries=9)
    async with bench.runner(FaultyStore(bench.store, faults)):
        await until(lambda: is_open(bench))
    assert (len(backend.requests), witness.seen) == (3, [("api", "open")])


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


async def test_a_probe_in_flight_is_handed_on_by_a_drain(make_bench, monkeypatch) -> None:
    monkeypatch.setattr("sp00ky_core.runner.runner.LAST_CHANGES", NEVER)
    backend, started, faults, go = Backend(AWAY), asyncio.Event(), Scripted(), asyncio.Event()
    bench = await make_bench(backend, concurrency=1, breaker=BreakerConfig(failures=1, interval=0.05))
    job = await bench.add(max_retries=9)

    async def hang(_attempt: Attempt) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    runner = bench.runner(FaultyStore(bench.store, faults), grace=0.01)
    await runner.start()
    await until(lambda: is_open(bench))
    bench.transport.script = hang
    await started.wait()
    assert (await bench.store.stats())["api"].breaker.state == "half_open"
    faults.put("change_breaker", Fault(held_until=go, fails=False))  # the database takes its time
    drain = asyncio.create_task(runner.drain())
    while faults.left():  # noqa: ASYNC110  # until the change has been sent: nothing tells of it
        await asyncio.sleep(0.001)
    await turns(200)  # more than the rest of the drain takes
    go.set()
    await drain
    assert await is_open(bench)
    after = await bench.store.get(job.id)
    assert [error.name for error in after.errors] == ["http_status", "outcome_unknown"]


class HoldsProbes(FaultyStore):
    """Keeps the reply of a claim that has taken a probe until it is told to give it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Scripted())
        self.taken, self.go = asyncio.Event(), asyncio.Event()

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        claim = await super().claim(slots_by_backend, runner_id)
        if any(breaker.probe_runner for breaker in claim.breakers.values()):
            self.taken.set()
            await self.go.wait()
        return claim


async def test_a_probe_that_was_not_sent_is_handed_on_by_a_drain(make_bench) -> None:
    backend = Backend(AWAY)
    bench = await make_bench(backend, concurrency=1, breaker=BreakerConfig(failures=1, interval=0.05))
    store = HoldsProbes(bench.store)
    job = await bench.add(max_retries=9)
    runner = bench.runner(store)
    await runner.start()
    await store.taken.wait()
    drain = asyncio.create_task(runner.drain())
    await asyncio.sleep(0)
    store.go.set()
    await drain
    assert await is_open(bench)
    assert ((await bench.store.get(job.id)).status, len(backend.requests)) == (JobStatus.PENDING, 1)


class LosesProbes(FaultyStore):
    """Loses the reply of the first claim that takes a probe."""

    lost = 0

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        claim = await super().claim(slots_by_backend, runner_id)
        if not self.lost and any(breaker.probe_runner for breaker in claim.breakers.values()):
            self.lost += 1
            raise StoreUnavailable(store="memory://", problem="the reply was lost (meant)")
        return claim


async def test_a_probe_whose_claim_was_lost_goes_to_the_next_before_its_lease_is_over(
    make_bench, caplog
) -> None:
    caplog.set_level(logging.CRITICAL)
    backend = Backend(AWAY)
    bench = await make_bench(backend, timeout=600, breaker=BreakerConfig(failures=1, interval=0.05))
    store = LosesProbes(bench.store, Scripted())
    job = await bench.add(max_retries=1)
    async with asyncio.timeout(120), bench.runner(store):  # shorter than a probe's lease
        await backend.answered.wait()
        backend.come_back()
        ended = await bench.ended(job)
    assert (store.lost, ended.status, ended.retries) == (1, JobStatus.SUCCESS, 1)


@pytest.fixture
async def open_bench(make_bench) -> Any:
    """A bench whose breaker is open, its pause over."""
    bench = await make_bench(concurrency=1)
    opens = change_after("api", Breaker(), Failed(), BreakerConfig(failures=1, interval=1e-6))
    assert (await bench.store.change_breaker(opens)).written
    return bench


async def test_a_probe_that_cannot_be_sent_makes_the_next_one_wait_for_nothing(
    open_bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "BREATH", NEVER)
    for _ in range(5):
        open_bench.store.write_row("job", {"path": "/chat", "payload": "no json", "status": "pending"})
    job = await open_bench.add(max_retries=0)
    async with open_bench.runner(poll=60):
        assert (await open_bench.ended(job)).status is JobStatus.SUCCESS


async def test_no_job_with_retries_left_fails_in_a_long_outage(make_bench) -> None:
    backend = Backend(AWAY)
    bench = await make_bench(backend, concurrency=4, breaker=BreakerConfig(failures=3, interval=0.01))
    jobs = [await bench.add(max_retries=1) for _ in range(60)]
    async with bench.runner(poll=60):
        await backend.asked(9)
        backend.come_back()
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS


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
