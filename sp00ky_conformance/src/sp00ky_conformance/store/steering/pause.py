"""``pause`` and ``resume``: an operator keeps claims from a backend, and lets them go on."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from math import inf

import attrs
import pytest

from sp00ky_conformance.store.connection.other_process import members
from sp00ky_conformance.store.connection.processes import STARTUP
from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    PATIENCE,
    RUNNER,
    StoreHarness,
    eventually,
    is_close,
    moment,
    where,
)
from sp00ky_conformance.store.observe.signals_and_watch import following
from sp00ky_conformance.store.steering.breakers import open_breaker
from sp00ky_core.gate.breaker import BreakerState
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import BackendStats, Store, StoreOptions

__all__ = ["PauseConformance", "PausedConformance"]

LONG, SHORT = 3_600.0, 0.05
WORDS = 'it\'s "down" for \u00e4 while; -- \u2744'


class PauseConformance(StoreHarness):
    """A pause stops claims of its backend, until its end or until it is resumed."""

    async def test_a_paused_backend_gives_nothing(self, store: Store) -> None:
        await self.add(store, 3)
        await self.add(store, 3, priority=3)
        assert await store.pause(API) is True
        claim = await store.claim({API: 10}, RUNNER)
        assert (list(claim), claim.paused) == ([], {API: inf})
        assert await store.resume(API) is True
        claim = await store.claim({API: 10}, RUNNER)
        assert (len(claim), claim.paused) == (6, {})

    async def test_other_backends_go_on(self, store: Store) -> None:
        await self.add(store)
        await self.add(store, backend=MAIL)
        await store.pause(API)
        both = await store.claim({API: 10, MAIL: 10}, RUNNER)
        assert ([job.backend for job in both], both.paused) == ([MAIL], {API: inf})
        assert (await store.claim({MAIL: 10}, RUNNER)).paused == {}

    async def test_what_is_in_flight_ends(self, store: Store) -> None:
        job = await self.claimed(store)
        await store.pause(API)
        assert (await self.settled(store, job, Delivered())).status == "success"

    async def test_jobs_are_enqueued_all_the_same(self, store: Store) -> None:
        await store.pause(API)
        (job,) = await self.add(store)
        assert await self.claim(store) == []
        await store.resume(API)
        assert [job.id for job in await self.claim(store)] == [job.id]

    async def test_a_pause_may_have_an_end(self, store: Store) -> None:
        await self.add(store)
        await store.pause(API, seconds=LONG)
        claim = await store.claim({API: 10}, RUNNER)
        assert list(claim) == []
        assert claim.paused == {API: pytest.approx(LONG, abs=60)}
        await store.pause(API, seconds=SHORT)
        assert len(await eventually(lambda: self.claim(store))) == 1

    async def test_a_pause_that_is_over_is_none(self, store: Store) -> None:
        await store.pause(API, seconds=SHORT)
        await eventually(lambda: self._isnt_paused(store))
        assert await store.resume(API) is False
        assert (await store.claim({API: 1}, RUNNER)).paused == {}
        assert await store.pause(API, seconds=LONG) is True

    async def test_a_resume_of_what_is_not_paused_does_nothing(self, store: Store) -> None:
        assert await store.resume(API) is False
        await store.pause(MAIL)
        assert await store.resume(API) is False
        assert await store.resume(MAIL) is True
        assert await store.resume(MAIL) is False

    async def test_a_second_pause_takes_the_place_of_the_first(self, store: Store) -> None:
        assert await store.pause(API, seconds=LONG, reason="first", actor="ann") is True
        first = (await store.stats())[API].paused
        assert first is not None
        assert await store.pause(API, reason="second", actor="bob") is False
        second = (await store.stats())[API].paused
        assert second == attrs.evolve(first, until=None, reason="second", actor="bob")
        assert (await store.claim({API: 1}, RUNNER)).paused == {API: inf}

    async def test_a_pause_is_in_the_numbers(self, store: Store) -> None:
        added = (await self.add(store))[0]
        await store.pause(API, reason=WORDS, actor="ann")
        stats = await store.stats()
        paused = stats[API].paused
        assert paused is not None
        assert (paused.until, paused.reason, paused.actor) == (None, WORDS, "ann")
        assert is_close(paused.since, added.created_at)
        assert stats[MAIL].paused is None
        assert (stats[API].pending, stats[API].due) == (1, 1)
        await store.resume(API)
        assert (await store.stats())[API].paused is None

    async def test_its_end_is_in_the_numbers(self, store: Store) -> None:
        await store.pause(API, seconds=LONG)
        paused = (await store.stats())[API].paused
        assert paused is not None
        assert (moment(paused.until) - moment(paused.since)).total_seconds() == pytest.approx(LONG, abs=1)
        assert (paused.reason, paused.actor) == (None, None)

    async def test_two_who_pause_at_once_are_told_apart(self, store: Store) -> None:
        begun = await asyncio.gather(*(store.pause(API, actor=f"a{n}") for n in range(6)))
        ended = await asyncio.gather(*(store.resume(API) for _ in range(6)))
        assert (sum(begun), sum(ended)) == (1, 1)

    async def _isnt_paused(self, store: Store) -> bool:
        return (await store.stats())[API].paused is None


class PausedConformance(StoreHarness):
    """A pause holds in every process, over restarts, with and without a breaker, and is a signal."""

    async def test_nothing_is_probed_while_it_holds(self, store: Store) -> None:
        await self.add(store, 3)
        await store.pause(API)
        await open_breaker(store)
        claim = await store.claim({API: 5}, RUNNER)
        breaker = claim.breakers[API]
        assert (list(claim), breaker.state, breaker.probe_runner) == ([], BreakerState.OPEN, None)
        await store.resume(API)
        assert len(await eventually(lambda: self.claim(store))) == 1
        assert (await store.stats())[API].breaker.state == "half_open"

    async def test_it_holds_without_a_breaker_too(self, options: StoreOptions) -> None:
        async with self.opened(options, breaker=False) as store:
            await self.add(store)
            await store.pause(API)
            claim = await store.claim({API: 5}, RUNNER)
            assert (list(claim), claim.paused) == ([], {API: inf})
            await store.resume(API)
            assert len(await self.claim(store)) == 1

    async def test_it_outlives_the_store(self, options: StoreOptions) -> None:
        async with self.opened(options) as store:
            await self.add(store)
            await store.pause(API, reason="until we know more")
            before = (await store.stats())[API]
        async with self.opened(options) as store:
            if not store.capabilities.durable:
                assert (await store.stats())[API] == BackendStats()
                return
            assert (await store.stats())[API].paused == before.paused
            assert await self.claim(store) == []
            assert await store.resume(API) is True
            assert len(await self.claim(store)) == 1

    async def test_both_are_signals(self, store: Store) -> None:
        signal = store.work_signal()
        await following(signal)
        await self._makes_it_fire(signal, lambda: store.pause(API))
        await self._makes_it_fire(signal, lambda: store.resume(API))
        await signal.aclose()

    @where("shared")
    async def test_another_processes_pause_holds_at_once(self, store: Store, options: StoreOptions) -> None:
        await self.add(store, 2)
        assert len(await self.claim(store, 1)) == 1
        async with asyncio.timeout(STARTUP), members(self, options, "call", 2) as (one, other):
            await one.go(method="pause", arguments={"backend": API, "actor": "another"})
            assert await one.result() is True
            claim = await store.claim({API: 5}, RUNNER)
            assert (list(claim), claim.paused) == ([], {API: inf})
            await other.go(method="resume", arguments={"backend": API})
            assert await other.result() is True
            assert len(await self.claim(store)) == 1

    @where("signals_across_processes")
    async def test_another_processes_resume_is_a_signal(self, store: Store, options: StoreOptions) -> None:
        await store.pause(API)
        signal = store.work_signal()
        async with asyncio.timeout(STARTUP), members(self, options, "call") as (other,):
            await following(signal)

            async def resume() -> None:
                await other.go(method="resume", arguments={"backend": API})
                await other.result()

            await self._makes_it_fire(signal, resume)
        await signal.aclose()

    async def without_signals_across_processes(self, store: Store) -> None:
        """Assert nothing: another process' pause is seen with the next claim, as it is everywhere."""

    async def _makes_it_fire(
        self, signal: AsyncGenerator[None, None], call: Callable[[], Awaitable[object]]
    ) -> None:
        """Wait for the signal that a call makes, once none is left of what came before."""
        waiting = asyncio.ensure_future(anext(signal))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        while done:
            waiting = asyncio.ensure_future(anext(signal))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
        await call()
        async with asyncio.timeout(PATIENCE):
            await waiting
