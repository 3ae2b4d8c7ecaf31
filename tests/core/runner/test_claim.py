"""A runner that waits is woken in time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import attrs

from sp00ky_conformance.faults import Fault, FaultyStore, Scripted
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt, StoreOptions
from sp00ky_store_kit.memory import MemoryStore


async def test_a_delayed_job_starts_when_it_is_due_long_before_the_poll(make_bench) -> None:
    bench = await make_bench()
    async with bench.runner(poll=3_600):
        job = await bench.add(delay=timedelta(seconds=0.2))
        done = await bench.ended(job)
    assert done.updated_at >= job.created_at + timedelta(seconds=0.2)


async def test_a_job_that_comes_while_the_runner_is_idle_is_not_left_to_the_poll(make_bench) -> None:
    bench = await make_bench()
    async with bench.runner(poll=3_600):
        for _ in range(3):
            await bench.ended(await bench.add())
    assert len(bench.transport.attempts) == 3


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
