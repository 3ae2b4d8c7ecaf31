"""``beat``, ``work_signal`` and ``watch``."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from sp00ky_conformance.store.harness import (
    API,
    PATIENCE,
    RUNNER,
    WHILE,
    StoreHarness,
    eventually,
    failure,
    needs,
    settlement,
    where,
)
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import NO_INFO, JobQuery, RunnerInfo, Store, StoreOptions
from sp00ky_core.stores.transitions import clear, kill

__all__ = ["BeatConformance", "SignalConformance", "WatchConformance"]

T = TypeVar("T")

ROUNDS = 3
"""So often may a beat be late by chance, on a machine that is busy."""

TWO_DAYS = 2 * 86_400.0

MANY = 100
"""More signals than whatever counts them in two digits."""


async def following(iterator: AsyncGenerator[T, None]) -> T:
    """Return the next item; fail where none comes."""
    async with asyncio.timeout(PATIENCE):
        return await anext(iterator)


async def has_ended(iterator: AsyncGenerator[T, None]) -> bool:
    """Whether an iterator ends, whatever it still had to say."""
    async with asyncio.timeout(PATIENCE):
        async for _ in iterator:
            pass
    return True


async def calmed(signal: AsyncGenerator[None, None]) -> asyncio.Future[None]:
    """Wait until a signal has been silent for a while; return what the next one ends."""
    waiting = asyncio.ensure_future(anext(signal))
    for _ in range(20):  # a store that polls may signal for as long as something is due
        if not (await asyncio.wait([waiting], timeout=WHILE))[0]:
            break
        waiting = asyncio.ensure_future(anext(signal))
    return waiting


class BeatConformance(StoreHarness):
    """A runner's sign of life."""

    async def test_every_runners_last_beat_is_returned(self, store: Store) -> None:
        first = await store.beat(RUNNER)
        assert first[RUNNER].at.utcoffset() is not None
        both = await store.beat("runner-2")
        assert both[RUNNER] == first[RUNNER]
        assert both["runner-2"].at >= first[RUNNER].at

    async def test_a_runner_says_something_of_itself(self, store: Store) -> None:
        documents = {f"backend-{n}": f"{n:012x}" for n in range(100)}
        info = RunnerInfo(version="1.2.3", documents=documents)
        await store.beat(RUNNER, info)
        seen = await store.beat("runner-2")
        assert (seen[RUNNER].info, seen["runner-2"].info) == (info, NO_INFO)
        newer = RunnerInfo(version="1.2.4", documents={'it\'s "one"': "x"})
        assert (await store.beat(RUNNER, newer))[RUNNER].info == newer

    async def test_a_beat_moves_on(self, store: Store) -> None:
        first = await store.beat(RUNNER)

        async def moved() -> bool:
            return (await store.beat(RUNNER))[RUNNER].at > first[RUNNER].at

        await eventually(moved)

    async def test_runners_beat_while_others_claim(self, store: Store) -> None:
        await self.add(store, 100)
        async with asyncio.timeout(PATIENCE):
            *_, beats = await asyncio.gather(
                *(self.claim(store, 10, runner=f"r{n}") for n in range(10)), store.beat(RUNNER)
            )
        assert RUNNER in beats

    @needs("backdate_beat")
    async def test_a_runner_that_has_long_been_silent_is_forgotten(self, store: Store) -> None:
        for runner in ("old", "young"):
            await store.beat(runner)
        await self.backdate_beat(store, "old", TWO_DAYS)
        await self.backdate_beat(store, "young", 3_600.0)
        await store.beat(RUNNER)
        assert set(await store.beat(RUNNER)) == {"young", RUNNER}

    async def test_a_beat_waits_for_no_queue_of_settles(self, store: Store) -> None:
        for _ in range(ROUNDS):
            await self.add(store, 600)
            jobs = await self.claim(store, 600)
            batches = [[settlement(job, Delivered()) for job in jobs[n::60]] for n in range(60)]
            if await self._is_overtaken(store, [store.settle(batch) for batch in batches]):
                return
        pytest.fail("each beat came after all the settles that were queued before it")

    async def test_a_beat_waits_for_no_queue_of_claims(self, store: Store) -> None:
        for _ in range(ROUNDS):
            await self.add(store, 600)
            if await self._is_overtaken(store, [store.claim({API: 10}, f"r{n}") for n in range(60)]):
                return
        pytest.fail("each beat came after all the claims that were queued before it")

    async def _is_overtaken(self, store: Store, calls: Sequence[Coroutine[Any, Any, object]]) -> bool:
        """Whether a beat ends before calls that began before it, or they have nothing to wait for."""
        running = [asyncio.ensure_future(call) for call in calls]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        queued = sum(not task.done() for task in running)
        await store.beat(RUNNER)
        left = sum(not task.done() for task in running)
        await asyncio.gather(*running)
        return left > 0 or queued < len(running) // 2


class SignalConformance(StoreHarness):
    """There may be work."""

    async def test_it_fires_once_on_subscription(self, store: Store) -> None:
        signal = store.work_signal()
        await following(signal)
        waiting = asyncio.ensure_future(anext(signal))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await self.add(store)
        async with asyncio.timeout(PATIENCE):
            await waiting
        await signal.aclose()

    async def test_every_subscriber_is_told(self, store: Store) -> None:
        signals = [store.work_signal() for _ in range(3)]
        for signal in signals:
            await following(signal)
        await self.add(store)
        for signal in signals:
            await following(signal)
            await signal.aclose()

    async def test_signals_of_a_busy_time_are_not_lost(self, store: Store) -> None:
        signal = store.work_signal()
        await following(signal)
        for _ in range(20):
            await self.add(store)
        await following(signal)
        await signal.aclose()

    async def test_it_never_falls_silent(self, store: Store) -> None:
        signal = store.work_signal()
        await following(signal)
        for _ in range(MANY):
            await self.add(store)
            await following(signal)
        await signal.aclose()

    @where("shared")
    async def test_others_work_never_falls_silent(self, store: Store, options: StoreOptions) -> None:
        if not store.capabilities.signals_across_processes:
            return
        signal = store.work_signal()
        async with self.opened(options) as other:
            for _ in range(MANY):
                await self.add(other)
            waiting = await calmed(signal)
            await self.add(other)
            async with asyncio.timeout(PATIENCE):
                await waiting
        await signal.aclose()

    async def test_a_signal_ends_when_the_store_closes(self, options: StoreOptions) -> None:
        async with asyncio.timeout(PATIENCE), self.opened(options) as store:
            signal = store.work_signal()
            await following(signal)
            ending = asyncio.ensure_future(has_ended(signal))
            await asyncio.sleep(0)
        assert await ending


class WatchConformance(StoreHarness):
    """A job's states, as they come."""

    async def test_the_present_comes_first_the_oldest_before(self, store: Store) -> None:
        jobs = [(await self.add(store, path="/w"))[0] for _ in range(3)]
        await self.add(store, path="/other")
        watch = store.watch(JobQuery(path="/w"))
        assert [(await following(watch)).id for _ in jobs] == [job.id for job in jobs]
        await watch.aclose()

    async def test_each_change_is_seen(self, store: Store) -> None:
        (job,) = await self.add(store)
        watch = store.watch(JobQuery(ids=(job.id,)))
        assert (await following(watch)).status is JobStatus.PENDING
        (claimed,) = await self.claim(store)
        assert (await self._until(watch, JobStatus.PROCESSING)).lease_epoch == 1
        await self.settled(store, claimed, failure())
        assert (await self._until(watch, JobStatus.PENDING)).retries == 1
        (claimed,) = await self.claim(store)
        await self.settled(store, claimed, Delivered(result="done"))
        seen = await self._until(watch, JobStatus.SUCCESS)
        assert (seen.result, seen.retries) == ("done", 1)
        assert seen == await store.get(job.id)
        await watch.aclose()

    async def test_a_waiting_watcher_is_woken(self, store: Store) -> None:
        (job,) = await self.add(store)
        watch = store.watch(JobQuery(ids=(job.id,)))
        await following(watch)
        waiting = asyncio.ensure_future(anext(watch))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await kill(store, [job.id])
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).status is JobStatus.FAILED
        await watch.aclose()

    async def test_the_last_state_is_never_left_out(self, store: Store) -> None:
        jobs = await self.add(store, 20)
        watch = store.watch(JobQuery())
        await following(watch)
        claimed = await self.claim(store)
        for job in claimed[::2]:
            await self.settled(store, job, Delivered())
        await kill(store, [job.id for job in claimed[1::2]])
        ended: set[str] = set()
        while len(ended) < len(jobs):
            job = await following(watch)
            ended |= {job.id} if job.is_terminal else set()
        await watch.aclose()

    async def test_new_jobs_that_match_are_seen_and_no_others(self, store: Store) -> None:
        (first,) = await self.add(store, path="/w")
        watch = store.watch(JobQuery(path="/w"))
        assert (await following(watch)).id == first.id
        await self.add(store, path="/other")
        (second,) = await self.add(store, path="/w")
        assert (await following(watch)).id == second.id
        await watch.aclose()

    async def test_a_watch_on_ids_ends_when_they_are_gone(self, store: Store) -> None:
        jobs = await self.add(store, 2)
        ids = tuple(job.id for job in jobs)
        watch = store.watch(JobQuery(ids=ids))
        assert {(await following(watch)).id for _ in ids} == set(ids)
        await kill(store, ids)
        await clear(store, ids[:1])
        assert await self._until(watch, JobStatus.FAILED)
        ending = asyncio.ensure_future(has_ended(watch))
        await clear(store, ids[1:])
        assert await ending

    async def test_a_watch_on_ids_goes_on_while_they_only_dont_match(self, store: Store) -> None:
        (job,) = await self.add(store)
        watch = store.watch(JobQuery(ids=(job.id,), status=JobStatus.PENDING))
        await following(watch)
        waiting = asyncio.ensure_future(anext(watch))
        (claimed,) = await self.claim(store)
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await self.settled(store, claimed, failure())
        async with asyncio.timeout(PATIENCE):
            assert (await waiting).retries == 1
        await watch.aclose()

    async def test_a_watch_ends_when_the_store_closes(self, options: StoreOptions) -> None:
        async with self.opened(options) as store:
            await self.add(store)
            watch = store.watch(JobQuery())
            await following(watch)
            ending = asyncio.ensure_future(has_ended(watch))
            await asyncio.sleep(0)
        assert await ending

    async def _until(self, watch: AsyncGenerator[Job, None], status: JobStatus) -> Job:
        while (job := await following(watch)).status is not status:
            pass
        return job
