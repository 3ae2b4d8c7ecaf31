"""What becomes of jobs when stores, transports and runners fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from sp00ky_core.config import RetryConfig
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.hookspecs import hookimpl
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.machine import Killed
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt, Claim, JobQuery, SettleFate, Settlement, SettleResult, StoreOptions
from sp00ky_core.retry import RetryPolicy
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.testing.faults import Fault, FaultyStore, Scripted

LOST_REPLY = Fault(lost_reply=True)
NO_CONNECTION = Fault()
NEVER = 3_600.0
"""Seconds beyond a test's end."""


@pytest.mark.parametrize("fault", [LOST_REPLY, NO_CONNECTION], ids=["lost reply", "no connection"])
async def test_an_outcome_that_cannot_be_settled_is_kept_until_it_can(make_bench, fault: Fault) -> None:
    bench, faults = await make_bench(), Scripted()
    faults.put("settle", fault, fault, fault)
    job = await bench.add(max_retries=0)
    async with bench.runner(FaultyStore(bench.store, faults)):
        done = await bench.ended(job)
    assert (done.status, done.retries, done.lease_epoch) == (JobStatus.SUCCESS, 0, 1)
    assert len(bench.transport.attempts) == 1
    assert faults.left() <= 2  # a lost reply had written it the first time


async def test_a_claim_whose_reply_was_lost_is_released_and_costs_no_attempt(make_bench) -> None:
    bench, faults = await make_bench(), Scripted()
    faults.put("claim", LOST_REPLY)
    job = await bench.add(max_retries=0)
    async with bench.runner(FaultyStore(bench.store, faults)):
        done = await bench.ended(job)
    assert (done.status, done.retries, done.errors, done.lease_epoch) == (JobStatus.SUCCESS, 0, (), 2)
    assert len(bench.transport.attempts) == 1


class Misreads(FaultyStore):
    """Trips over what its first claim brings, once the database has claimed."""

    tripped = False

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        claim = await super().claim(slots_by_backend, runner_id)
        if claim and not self.tripped:
            self.tripped = True
            raise TypeError("not to be read (meant)")
        return claim


async def test_a_claim_that_ends_in_a_bug_is_released_at_once(make_bench, caplog) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    bench = await make_bench()
    job = await bench.add(max_retries=0)
    async with bench.runner(Misreads(bench.store, Scripted()), reclaim_after=NEVER):
        done = await bench.ended(job)
    assert (done.status, done.errors, done.lease_epoch) == (JobStatus.SUCCESS, (), 2)


async def test_nothing_is_started_while_the_beat_is_stale(make_bench) -> None:
    bench, faults = await make_bench(), Scripted()
    held = asyncio.Event()
    faults.put("beat", None, Fault(held_until=held, fails=False))
    async with bench.runner(FaultyStore(bench.store, faults), beat_stale=0.05):
        await asyncio.sleep(0.1)  # time passing is what makes a beat stale
        job = await bench.add()
        await asyncio.sleep(0.1)
        assert bench.transport.attempts == []
        held.set()
        assert (await bench.ended(job)).status is JobStatus.SUCCESS


async def test_a_claim_too_old_for_its_lease_is_released_instead_of_started(make_bench) -> None:
    bench, faults, clock, slow = await make_bench(), Scripted(), Clock(), asyncio.Event()
    faults.put("claim", Fault(held_until=slow, fails=False))
    job = await bench.add(max_retries=0)
    async with bench.runner(FaultyStore(bench.store, faults), clock=clock, beat_stale=1e9, reclaim_after=0):
        while faults.left():  # noqa: ASYNC110  # until the claim has been sent: nothing tells of it
            await asyncio.sleep(0)
        clock.now += 31  # the margin of a lease is 30 s
        slow.set()
        done = await bench.ended(job)
    assert (done.status, done.retries, done.lease_epoch) == (JobStatus.SUCCESS, 0, 2)
    assert len(bench.transport.attempts) == 1


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_zombies_outcome_is_reported_and_not_written(make_bench, caplog) -> None:
    killed = asyncio.Event()

    async def wait_to_be_killed(_attempt: Attempt) -> Outcome:
        await killed.wait()
        return Delivered(result="too late")

    bench = await make_bench(wait_to_be_killed)
    job = await bench.add()
    async with bench.runner():
        await bench.transport.began(1)
        assert [result.fate for result in await bench.store.kill([job.id])] == ["killed"]
        killed.set()
    done = await bench.store.get(job.id)
    assert (done.status, done.result, [error.name for error in done.errors]) == (
        JobStatus.FAILED,
        None,
        ["killed"],
    )
    assert any("lease lost" in record.message for record in caplog.records)


async def test_a_killed_job_without_retries_is_redriven_only_when_told_to_resend(make_bench) -> None:
    bench = await make_bench()
    job = await bench.add(max_retries=0)
    await bench.store.claim({"api": 1}, "somebody else")
    await bench.store.kill([job.id], reason=Killed().reason)
    assert [result.fate for result in await bench.store.redrive([job.id])] == ["illegal"]
    assert [result.fate for result in await bench.store.redrive([job.id], resend_unknown=True)] == [
        "redriven"
    ]


@pytest.mark.parametrize(
    ("max_retries", "status", "attempts"), [(3, JobStatus.SUCCESS, 1), (0, JobStatus.FAILED, 0)]
)
async def test_a_dead_runners_jobs_are_reclaimed(
    make_bench, max_retries: int, status: JobStatus, attempts: int
) -> None:
    bench = await make_bench()
    job = await bench.add(max_retries=max_retries)
    await bench.store.beat("dead")
    await bench.store.claim({"api": 1}, "dead")
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, [error.name for error in done.errors]) == (status, ["outcome_unknown"])
    assert (done.errors[0].runner_id, done.errors[0].attempt) == ("dead", 1)
    assert len(bench.transport.attempts) == attempts


async def test_a_runner_that_beats_keeps_its_jobs(make_bench) -> None:
    never = asyncio.Event()

    async def hang(_attempt: Attempt) -> Outcome:
        await never.wait()
        return Delivered()

    bench = await make_bench(hang)
    job = await bench.add()
    async with bench.runner(grace=0), bench.runner(runner_id="another", grace=0):
        await bench.transport.began(1)
        await asyncio.sleep(0.5)  # more than twice what makes a silent runner dead
        assert (await bench.store.get(job.id)).lease_epoch == 1


async def test_a_transport_that_raises_costs_an_attempt_and_not_the_runner(make_bench, caplog) -> None:
    def fail(_attempt: Attempt) -> Outcome:
        raise RuntimeError("a bug")

    bench = await make_bench(fail)
    job = await bench.add(max_retries=1)
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, [error.name for error in done.errors]) == (JobStatus.FAILED, ["outcome_unknown"] * 2)
    assert any(record.exc_info for record in caplog.records)


async def test_a_transport_that_does_not_keep_to_the_timeout_is_cut_off(make_bench, monkeypatch) -> None:
    monkeypatch.setattr("sp00ky_core.runner.reclaim.OVERDUE_AFTER", 0.05)
    never = asyncio.Event()

    async def hang_once(attempt: Attempt) -> Outcome:
        if attempt.number == 1:
            await never.wait()
        return Delivered()

    bench = await make_bench(hang_once, timeout=0.05, concurrency=1)
    job = await bench.add()
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, [error.name for error in done.errors]) == (JobStatus.SUCCESS, ["timeout"])


async def test_what_fails_is_logged_with_its_reason(make_bench, caplog) -> None:
    caplog.set_level(logging.INFO)
    bench = await make_bench(
        lambda _attempt: Undelivered(code=500, name="http_status", reason="out of ghosts")
    )
    job = await bench.add(max_retries=1)
    async with bench.runner():
        await bench.ended(job)
    told = [
        (record.levelname, "out of ghosts" in record.message)
        for record in caplog.records
        if job.id in record.message
    ]
    assert told == [("INFO", True), ("WARNING", True)]


@pytest.mark.parametrize("error", [KeyError, asyncio.CancelledError])
async def test_a_strategy_that_fails_says_so_and_counts_as_the_cap(make_bench, caplog, error) -> None:
    def broken(_policy: RetryPolicy, _n: int) -> float:
        raise error("a bug")

    bench = await make_bench(lambda attempt: Undelivered(name="timeout"), retry=RetryConfig(cap=60, jitter=0))
    bench.plugins.register(
        SimpleNamespace(sp00ky_register_retry_strategies=hookimpl(lambda: {"broken": broken})),
        name="broken",
        distribution="a-test",
    )
    job = await bench.add(retry_strategy="broken")
    async with bench.runner():
        waiting = await bench.until(job, lambda now: now.retries == 1)
    assert (waiting.run_at - waiting.updated_at).total_seconds() == 60
    assert any(record.exc_info and "broken" in record.message for record in caplog.records)


async def test_a_drain_lets_attempts_end(make_bench) -> None:
    go = asyncio.Event()

    async def wait(_attempt: Attempt) -> Outcome:
        await go.wait()
        return Delivered()

    bench = await make_bench(wait, concurrency=2)
    jobs = [await bench.add() for _ in range(5)]
    runner = bench.runner()
    await runner.start()
    await bench.transport.began(2)
    draining = asyncio.create_task(runner.drain())
    await bench.add()
    go.set()
    await draining
    statuses = [(await bench.store.get(job.id)).status for job in jobs]
    assert statuses.count(JobStatus.SUCCESS) == 2
    assert statuses.count(JobStatus.PENDING) == 3
    assert len(bench.transport.attempts) == 2


@pytest.mark.parametrize(("max_retries", "status"), [(1, JobStatus.PENDING), (0, JobStatus.FAILED)])
async def test_a_drain_counts_what_it_had_to_cut_off(make_bench, max_retries: int, status: JobStatus) -> None:
    never = asyncio.Event()

    async def hang(_attempt: Attempt) -> Outcome:
        await never.wait()
        return Delivered()

    bench = await make_bench(hang)
    job = await bench.add(max_retries=max_retries)
    async with bench.runner(grace=0.05):
        await bench.transport.began(1)
    after = await bench.store.get(job.id)
    assert (after.status, after.retries, [error.name for error in after.errors]) == (
        status,
        max_retries,
        ["outcome_unknown"],
    )


async def test_a_runner_leaves_no_task_behind(make_bench) -> None:
    bench = await make_bench()
    before = asyncio.all_tasks()
    async with bench.runner():
        await bench.ended(await bench.add())
    assert asyncio.all_tasks() == before


async def test_a_store_that_is_down_at_the_start_is_the_callers_to_know(make_bench) -> None:
    bench, faults = await make_bench(), Scripted()
    faults.put("beat", NO_CONNECTION)
    runner = bench.runner(FaultyStore(bench.store, faults))
    with pytest.raises(Exception, match="no connection"):
        await runner.start()
    assert not bench.transport.is_open


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


async def test_claims_go_on_once_outcomes_that_had_piled_up_are_written(make_bench) -> None:
    writing, held = asyncio.Event(), asyncio.Event()

    async def first_at_once(_attempt: Attempt) -> Outcome:
        if len(bench.transport.attempts) > 1:
            await writing.wait()
        return Delivered()

    bench, faults = await make_bench(first_at_once, concurrency=3), Scripted()
    faults.put("settle", Fault(held_until=held, fails=False))
    jobs = [await bench.add() for _ in range(10)]
    async with bench.runner(FaultyStore(bench.store, faults), max_unsettled=2, poll=3_600):
        while faults.left():  # noqa: ASYNC110  # until the first outcome is being written
            await asyncio.sleep(0)
        writing.set()  # the others pile up behind it
        await bench.transport.began(3)
        while bench.transport.in_flight:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)
        held.set()
        for job in jobs:
            await bench.ended(job)


async def test_runners_of_the_same_options_have_ids_of_their_own(make_bench) -> None:
    bench = await make_bench()
    assert bench.runner().runner_id != bench.runner().runner_id


class Refusing(MemoryStore):
    """A database that writes no end of a job, in any form, for a while."""

    refusals = 0

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        if self.refusals:
            self.refusals -= 1
            return [
                SettleResult(job_id=each.job_id, fate=SettleFate.BUSY, problem="a trigger says no")
                for each in settlements
            ]
        return await super().settle(settlements)


async def test_an_outcome_that_the_database_refuses_is_kept_and_not_sent_again(make_bench, caplog) -> None:
    bench = await make_bench()
    refusing = Refusing(StoreOptions(url="memory://", tables=bench.tables))
    refusing.refusals = 4
    (job,) = await refusing.add([NewJob(path="/spookify", backend="api", max_retries=0)])
    async with bench.runner(refusing), asyncio.timeout(30):
        async for now in refusing.watch(JobQuery(ids=(job.id,))):
            if now.is_terminal:
                break
    assert (now.status, now.lease_epoch, len(bench.transport.attempts)) == (JobStatus.SUCCESS, 1, 1)
    assert [record.message for record in caplog.records if "a trigger says no" in record.message] == [
        f"job {job.id}: its outcome can't be written yet: a trigger says no"
    ]


async def test_a_claim_whose_lease_has_run_out_is_lost_and_not_released(make_bench) -> None:
    bench = await make_bench()
    tables = tuple(attrs.evolve(table, timeout=0.01, lease_margin=0) for table in bench.tables)
    store = MemoryStore(StoreOptions(url="memory://", tables=tables))
    await store.add([NewJob(path="/spookify", backend="api")])
    (job,) = await store.claim({"api": 1}, "somebody")
    while job.lease_until >= datetime.now(UTC):  # noqa: ASYNC110  # a lease ends without an event
        await asyncio.sleep(0.001)
    assert await store.release("somebody", keep=()) == []
    assert (await store.get(job.id)).status is JobStatus.PROCESSING


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


async def test_a_transport_that_returns_nothing_costs_an_attempt(make_bench) -> None:
    async def nothing(_attempt: Attempt) -> Any:
        return None

    bench = await make_bench(nothing, concurrency=1)
    jobs = [await bench.add(max_retries=0) for _ in range(3)]
    async with bench.runner():
        ended = [await bench.ended(job) for job in jobs]
    assert [job.errors[0].name for job in ended] == ["outcome_unknown"] * 3


@pytest.mark.parametrize("max_retries", [0, 1])
async def test_no_plugin_allows_more_attempts_than_the_row(make_bench, max_retries: int) -> None:
    bench = await make_bench(lambda _attempt: Undelivered(code=500, name="http_status"))
    generous = hookimpl(lambda: RetryPolicy(max_retries=9, base=0))
    bench.plugins.register(
        SimpleNamespace(sp00ky_retry_policy=generous), name="generous", distribution="a-test"
    )
    job = await bench.add(max_retries=max_retries)
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, len(bench.transport.attempts)) == (JobStatus.FAILED, 1 + max_retries)


async def test_what_was_claimed_ahead_of_a_backend_that_then_hangs_is_given_back(
    make_bench, monkeypatch
) -> None:
    monkeypatch.setattr("sp00ky_core.runner.slots.AHEAD", 1e9)
    monkeypatch.setattr("sp00ky_core.runner.claim.LONGEST_WAIT", 0.1)
    never = asyncio.Event()

    async def hang_at_chat(attempt: Attempt) -> Outcome:
        if attempt.job.path == "/chat":
            await never.wait()
        return Delivered()

    bench = await make_bench(hang_at_chat, concurrency=1)
    async with bench.runner(grace=0.01, reclaim_after=0.3):
        await bench.ended(await bench.add())  # a fast backend, so far
        await bench.add("/chat")
        waiting = await bench.add(max_retries=0)
        await bench.until(waiting, lambda now: now.status is JobStatus.PROCESSING)
        given_back = await bench.until(waiting, lambda now: now.status is JobStatus.PENDING)
        assert (given_back.lease_epoch, given_back.retries, given_back.errors) == (1, 0, ())
    assert bench.paths() == ["/spookify", "/chat"]


class Heaped(MemoryStore):
    """A table with far more to prune than one round takes."""

    batches = 150

    async def prune(self, *, limit: int = 1_000) -> int:
        self.batches -= 1
        return limit if self.batches > 0 else 0


async def test_pruning_goes_on_until_nothing_is_left(make_bench) -> None:
    bench = await make_bench()
    heaped = Heaped(StoreOptions(url="memory://", tables=bench.tables))
    async with bench.runner(heaped, prune_interval=3_600, random=lambda: 0.0):
        while heaped.batches > 0:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.005)


async def test_a_runner_starts_once(make_bench) -> None:
    bench = await make_bench()
    async with bench.runner() as runner:
        pass
    with pytest.raises(Sp00kyError, match="starts once"):
        await runner.start()


async def test_a_drain_ends_though_a_transport_does_not(make_bench, monkeypatch) -> None:
    monkeypatch.setattr("sp00ky_core.runner.slots.LAST_ATTEMPT", 0.05)
    end = asyncio.Event()

    async def deaf(_attempt: Attempt) -> Outcome:
        while not end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await end.wait()
        return Delivered()

    bench = await make_bench(deaf)
    job = await bench.add(max_retries=0)
    async with bench.runner(grace=0.01):
        await bench.transport.began(1)
    after = await bench.store.get(job.id)
    end.set()
    assert (after.status, [error.name for error in after.errors]) == (JobStatus.FAILED, ["outcome_unknown"])


async def test_a_drain_that_is_cancelled_leaves_no_task(make_bench) -> None:
    never = asyncio.Event()

    async def hang(_attempt: Attempt) -> Outcome:
        await never.wait()
        return Delivered()

    bench = await make_bench(hang)
    await bench.add()
    before = asyncio.all_tasks()
    runner = bench.runner()
    await runner.start()
    await bench.transport.began(1)
    draining = asyncio.create_task(runner.drain())
    await asyncio.sleep(0)
    draining.cancel()
    left = asyncio.all_tasks() - before
    await asyncio.wait(left, timeout=5)
    assert not [task for task in left if not task.done()]
