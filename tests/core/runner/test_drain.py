"""A runner may be cancelled at any await: no job is lost, no task is left behind."""

import asyncio
import contextlib
import logging
from pathlib import Path

from sp00ky_conformance.cancellation import CancelledRunners, SlowObserver, Suspending
from sp00ky_conformance.faults import Fault, FaultyStore, Scripted
from sp00ky_core.config import RetryConfig
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import Attempt, JobTable, StoreOptions
from sp00ky_core.runner.options import TRYING
from sp00ky_core.testing.perform import outbox_over
from sp00ky_store_kit.memory import MemoryStore

SEED = 20_260
PARTS = {"start", "until_empty", "drain", "ended"}
"""Of a runner's life: each must have been hit."""


async def test_a_thousand_cancelled_runners_lose_nothing(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.CRITICAL)  # meant faults are logged in thousands
    tables = (JobTable(backend="api", table="job"),)
    store = MemoryStore(StoreOptions(url="memory://", tables=tables))
    plugins = Plugins()
    plugins.register(SlowObserver(), name="slow", distribution="a-test")
    outbox = outbox_over(
        Suspending(store, seed=SEED), tables, tmp_path, plugins=plugins, retry=RetryConfig(base=0)
    )
    runners = CancelledRunners(outbox, seed=SEED)
    await runners.run(1_000)
    assert {part for point in runners.points for part in PARTS if part in point} == PARTS


async def test_a_start_that_is_cancelled_leaves_neither_transport_nor_row(make_bench) -> None:
    bench = await make_bench()
    telling = asyncio.Event()

    class Slow:
        @hookimpl
        async def sp00ky_runner_started(self) -> None:
            telling.set()
            await asyncio.Event().wait()

    bench.plugins.register(Slow(), name="slow", distribution="a-test")
    start = asyncio.create_task(bench.runner().start())
    await telling.wait()
    start.cancel()
    await asyncio.wait([start])
    assert start.cancelled()
    assert not bench.transport.is_open
    assert await bench.store.runners() == []


async def test_a_runner_that_starts_while_check_tries_an_application_claims_nothing(make_bench) -> None:
    bench = await make_bench()
    job = await bench.add()
    trying = TRYING.set(True)
    try:
        async with bench.runner() as runner:
            assert await runner.until_empty() == 0
            assert not runner.is_ready
            assert await bench.store.runners() == []
    finally:
        TRYING.reset(trying)
    assert (await bench.store.get(job.id)).status is JobStatus.PENDING


async def test_two_drains_at_once_are_one(make_bench) -> None:
    stopped: list[str] = []
    bench, go = await make_bench(), asyncio.Event()

    class Counts:
        @hookimpl
        def sp00ky_runner_stopped(self, runner_id: str) -> None:
            stopped.append(runner_id)

    async def wait(_attempt: Attempt) -> Outcome:
        await go.wait()
        return Delivered()

    bench.transport.script = wait
    bench.plugins.register(Counts(), name="counts", distribution="a-test")
    job = await bench.add()
    runner = bench.runner()
    await runner.start()
    await bench.transport.began(1)
    drains = [asyncio.create_task(runner.drain()) for _ in range(3)]
    await asyncio.sleep(0)
    drains[0].cancel()  # the others go on where this one was
    go.set()
    await asyncio.wait(drains)
    assert [drain.cancelled() for drain in drains] == [True, False, False]
    assert stopped == [runner.runner_id]
    after = await bench.store.get(job.id)
    assert (after.status, after.errors[-1].name, runner.in_flight) == (
        JobStatus.PENDING,
        "outcome_unknown",
        0,
    )
    assert after.lease_until is not None  # its request may still be under way


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


async def test_a_drain_gives_back_what_was_never_sent_once_the_store_is_back(make_bench, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    claimed, draining, refused = asyncio.Event(), asyncio.Event(), list[str]()

    def faults(method: str) -> Fault | None:
        if method == "claim" and not claimed.is_set():
            claimed.set()
            return Fault(lost_reply=True)
        if method == "release" and len(refused) < 4:
            refused.extend([method] * draining.is_set())
            return Fault()
        return None

    bench = await make_bench()
    job = await bench.add(max_retries=0)
    async with bench.runner(FaultyStore(bench.store, faults)):
        await claimed.wait()
        draining.set()
    after = await bench.store.get(job.id)
    assert (after.status, after.runner_id, len(refused)) == (JobStatus.PENDING, None, 4)
    assert bench.transport.attempts == []


async def test_who_leaves_claims_behind_keeps_its_row_for_others_to_see_it_dead(
    make_bench, caplog, monkeypatch
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr("sp00ky_core.runner.runner.LAST_WRITES", 0.05)
    bench, faults = await make_bench(), Scripted()
    faults.put("settle", *[Fault()] * 1_000)
    await bench.add()
    async with bench.runner(FaultyStore(bench.store, faults)) as runner:
        await bench.transport.began(1)
    assert [record.id for record in await bench.store.runners()] == [runner.runner_id]
