"""Breakers: who may claim what while a backend is down, and who may change that."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import attrs
import pytest
import pytest_asyncio

from sp00ky_conformance.store.harness import API, PATIENCE, RUNNER, StoreHarness, eventually
from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import (
    Answered,
    Breaker,
    BreakerEvent,
    BreakerState,
    Failed,
    ProbeAnswered,
    ProbeFailed,
    ProbeWithoutNews,
    change_after,
)
from sp00ky_core.ports import PROBE_WINDOW, BreakerResult, BreakerStats, Claim, Store, StoreOptions
from sp00ky_core.stores.ids import new_key

__all__ = ["BreakerConformance"]

LONG, SHORT = 3_600.0, 0.001


class BreakerConformance(StoreHarness):
    """A breaker is read with each claim, and written under a guard.

    Its backends have names of this test's own: tables may have, but breakers are kept by their backend.
    """

    @pytest.fixture
    def api(self) -> str:
        return f"{API}-{new_key()[-12:]}"

    @pytest.fixture
    def mail(self, api: str) -> str:
        return f"other-{api}"

    @pytest.fixture
    def guarded_options(self, options: StoreOptions, api: str, mail: str) -> StoreOptions:
        pairs = zip(options.tables, (api, mail), strict=True)
        return attrs.evolve(options, tables=tuple(attrs.evolve(pair, backend=name) for pair, name in pairs))

    @pytest_asyncio.fixture
    async def guarded(self, guarded_options: StoreOptions) -> AsyncIterator[Store]:
        async with self.opened(guarded_options) as store:
            yield store

    @pytest_asyncio.fixture
    async def hasty_guarded(self, guarded_options: StoreOptions) -> AsyncIterator[Store]:
        async with self.opened(guarded_options, timeout=0.05, lease_margin=0.0) as store:
            yield store

    async def test_a_backend_that_never_failed_says_nothing(
        self, guarded: Store, api: str, mail: str
    ) -> None:
        await self.add(guarded, backend=api)
        claim = await guarded.claim({api: 5, mail: 5}, RUNNER)
        assert (len(claim), claim.breakers) == (1, {})

    async def test_failures_are_counted_and_read_with_the_claim(
        self, guarded: Store, api: str, mail: str
    ) -> None:
        await self._after(guarded, api, Failed())
        result = await self._after(guarded, api, Failed(), Breaker(failures=1))
        assert (result.written, result.breaker) == (True, Breaker(failures=2))
        await self.add(guarded, backend=api)
        claim = await guarded.claim({api: 5, mail: 5}, RUNNER)
        assert (len(claim), claim.breakers) == (1, {api: Breaker(failures=2)})
        assert (await guarded.claim({mail: 5}, RUNNER)).breakers == {}

    async def test_an_answer_ends_the_row_of_failures(self, guarded: Store, api: str) -> None:
        await self._after(guarded, api, Failed())
        assert (await self._after(guarded, api, Answered(), Breaker(failures=1))).written
        assert (await guarded.claim({api: 5}, RUNNER)).breakers == {}

    async def test_a_change_from_another_state_is_not_written(self, guarded: Store, api: str) -> None:
        await self._after(guarded, api, Failed())
        late = await self._after(guarded, api, Failed())
        assert (late.written, late.breaker) == (False, Breaker(failures=1))
        ahead = await self._after(guarded, api, Failed(), Breaker(failures=2))
        assert (ahead.written, ahead.breaker) == (False, Breaker(failures=1))

    async def test_one_of_many_changes_is_written(self, guarded: Store, api: str) -> None:
        results = await asyncio.gather(
            *(self._after(guarded, api, Failed(), interval=LONG) for _ in range(10))
        )
        assert sum(result.written for result in results) == 1
        assert (await guarded.claim({api: 5}, RUNNER)).breakers == {api: Breaker(failures=1)}

    async def test_an_open_breaker_lets_nothing_through(self, guarded: Store, api: str, mail: str) -> None:
        await self.add(guarded, 5, backend=api)
        await self.add(guarded, backend=mail)
        breaker = (await self._open(guarded, api, LONG)).breaker
        assert (breaker.state, breaker.failures) == (BreakerState.OPEN, 3)
        assert breaker.paused_for == pytest.approx(LONG, abs=60)
        claim = await guarded.claim({api: 5, mail: 5}, RUNNER)
        assert [job.backend for job in claim] == [mail]
        assert claim.breakers[api].state is BreakerState.OPEN
        assert claim.breakers[api].paused_for == pytest.approx(LONG, abs=60)

    async def test_it_is_in_the_numbers(self, guarded: Store, api: str, mail: str) -> None:
        await self._open(guarded, api, LONG)
        stats = await guarded.stats()
        assert stats[api].breaker.state == "open"
        assert stats[api].breaker.paused_for_s == pytest.approx(LONG, abs=60)
        assert (stats[mail].breaker.state, stats[mail].breaker.paused_for_s) == ("closed", 0)

    async def test_after_the_pause_one_caller_gets_one_job(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 5, backend=api)
        await self._open(guarded, api, SHORT)
        claim = await self._probe(guarded, api)
        assert len(claim) == 1
        breaker = claim.breakers[api]
        assert (breaker.state, breaker.probe_runner) == (BreakerState.HALF_OPEN, RUNNER)
        assert breaker.probe_for == pytest.approx(15, abs=14)
        for runner in ("runner-2", RUNNER):
            other = await guarded.claim({api: 5}, runner)
            assert (list(other), other.breakers[api].probe_runner) == ([], RUNNER)
        assert (await guarded.stats())[api].breaker.state == "half_open"

    async def test_of_many_callers_one_gets_the_probe(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 20, backend=api)
        await self._open(guarded, api, SHORT)
        await asyncio.sleep(2 * SHORT)  # nothing tells of a pause's end
        claims = await asyncio.gather(*(guarded.claim({api: 5}, f"runner-{n}") for n in range(8)))
        assert sum(len(claim) for claim in claims) == 1
        assert (await guarded.stats())[api].processing == 1

    async def test_no_probe_is_taken_when_nothing_is_due(self, guarded: Store, api: str) -> None:
        await self.add(guarded, backend=api, delay=timedelta(hours=1))
        await self._open(guarded, api, SHORT)
        await asyncio.sleep(2 * SHORT)  # nothing tells of a pause's end
        claim = await guarded.claim({api: 5}, RUNNER)
        assert list(claim) == []
        assert (claim.breakers[api].state, claim.breakers[api].probe_runner) == (BreakerState.OPEN, None)
        await self.add(guarded, backend=api)
        assert len(await guarded.claim({api: 5}, "runner-2")) == 1

    async def test_a_probe_has_retries_left_if_there_is_such_a_job(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 3, backend=api, max_retries=0)
        (spare,) = await self.add(guarded, backend=api, max_retries=1)
        await self.add(guarded, backend=api, max_retries=5)
        await self._open(guarded, api, SHORT)
        assert [job.id for job in await self._probe(guarded, api)] == [spare.id]

    async def test_a_probe_may_have_no_retries_left_if_there_is_no_other_job(
        self, guarded: Store, api: str
    ) -> None:
        (oldest, *_) = await self.add(guarded, 3, backend=api, max_retries=0)
        await self._open(guarded, api, SHORT)
        assert [job.id for job in await self._probe(guarded, api)] == [oldest.id]

    async def test_a_probe_can_be_sent_if_there_is_such_a_job(
        self, guarded_options: StoreOptions, api: str
    ) -> None:
        async with self.opened(guarded_options, routes=frozenset({"/known", "/other"})) as store:
            await self.add(store, 3, backend=api, path="/gone", max_retries=5)
            (spent,) = await self.add(store, backend=api, path="/known", max_retries=0)
            (spare,) = await self.add(store, backend=api, path="/other", max_retries=5)
            await self._open(store, api, SHORT)
            for expected in (spare, spent):
                probe = await self._probe(store, api)
                assert [job.id for job in probe] == [expected.id]
                await self._after(store, api, ProbeWithoutNews(runner_id=RUNNER), probe.breakers[api])

    async def test_routes_take_turns_to_be_probed(self, guarded_options: StoreOptions, api: str) -> None:
        dead, alive = "/dead", "/alive"
        async with self.opened(guarded_options, routes=frozenset({dead, alive})) as store:
            await self.add(store, 3, backend=api, path=dead, max_retries=9)
            await self.add(store, 2, backend=api, path=alive, max_retries=1, priority=0)
            await self.add(store, 2, backend=api, path=alive, max_retries=0)
            await self._open(store, api, SHORT)
            probed = []
            for _ in range(4):
                claim = await self._probe(store, api)
                probed += [job.path for job in claim]
                await self._fail(store, api, claim)
            assert sorted(probed) == [alive, alive, dead, dead]
            assert probed[0] != probed[1]
            assert [job.path for job in await self._probe(store, api)] == [dead]  # it has retries left

    async def test_routes_without_retries_take_turns_after_six_failures_and_each_doubling(
        self, guarded_options: StoreOptions, api: str
    ) -> None:
        dead, risked = "/dead", {6: "/one", 12: "/two"}
        async with self.opened(guarded_options, routes=frozenset({dead, *risked.values()})) as store:
            await self.add(store, 10, backend=api, path=dead, max_retries=99)
            for path in risked.values():
                await self.add(store, 2, backend=api, path=path, max_retries=0)
            await self._open(store, api, SHORT)
            for failures in range(3, 13):
                claim = await self._probe(store, api)
                assert [job.path for job in claim] == [risked.get(failures, dead)]
                await self._fail(store, api, claim)

    async def test_no_job_without_retries_keeps_a_probe_company_that_has_not_ended(
        self, guarded_options: StoreOptions, api: str
    ) -> None:
        routes = frozenset({"/dead", "/one"})
        async with self.opened(guarded_options, routes=routes, timeout=0.05, lease_margin=0.0) as store:
            await self.add(store, 6, backend=api, path="/dead", max_retries=99)
            await self.add(store, 3, backend=api, path="/one", max_retries=0)
            await self._open(store, api, SHORT)
            for _ in range(3):
                await self._fail(store, api, await self._probe(store, api))
            probed = [job.path for _ in range(3) for job in await self._probe(store, api)]
            assert probed == ["/one", "/dead", "/dead"]

    async def test_a_route_behind_a_thousand_jobs_of_another_is_probed_too(
        self, guarded_options: StoreOptions, api: str
    ) -> None:
        dead, alive = "/dead", "/alive"
        async with self.opened(guarded_options, routes=frozenset({dead, alive})) as store:
            if not store.capabilities.shared:
                return
            await self.add(store, PROBE_WINDOW + 100, backend=api, path=dead, max_retries=9)
            await self.add(store, backend=api, path=alive, max_retries=9)
            await self._open(store, api, SHORT)
            probed = set()
            for _ in range(2):
                claim = await self._probe(store, api)
                probed |= {job.path for job in claim}
                await self._fail(store, api, claim)
            assert probed == {dead, alive}

    async def test_what_a_clock_ahead_has_paused_is_not_paused(
        self, guarded_options: StoreOptions, api: str
    ) -> None:
        async with self.opened(guarded_options, longest_pause=LONG / 2) as store:
            await self.add(store, 3, backend=api)
            paused = (await self._after(store, api, Answered(retry_after=LONG))).breaker
            assert (paused.state, paused.paused_for) == (BreakerState.CLOSED, 0)
            assert len(await store.claim({api: 1}, RUNNER)) == 1
            assert (await store.stats())[api].breaker == BreakerStats()
            assert (await self._open(store, api, LONG)).breaker.paused_for == 0
            probe = await self._probe(store, api)
            assert len(probe) == 1
            failed = ProbeFailed(runner_id=RUNNER)
            after = await self._after(store, api, failed, probe.breakers[api], interval=LONG / 4)
            assert LONG / 5 < after.breaker.paused_for <= LONG / 4
            assert await store.claim({api: 1}, RUNNER) == []

    async def test_a_probe_that_is_answered_closes_it(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 5, backend=api)
        await self._open(guarded, api, SHORT)
        half_open = (await self._probe(guarded, api)).breakers[api]
        result = await self._after(guarded, api, ProbeAnswered(runner_id=RUNNER), half_open)
        assert result.written
        assert (result.breaker.state, result.breaker.failures) == (BreakerState.CLOSED, 0)
        claim = await guarded.claim({api: 5}, "runner-2")
        assert (len(claim), claim.breakers) == (4, {})

    async def test_closing_it_is_a_signal(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 2, backend=api)
        await self._open(guarded, api, SHORT)
        half_open = (await self._probe(guarded, api)).breakers[api]
        signals = guarded.work_signal()
        async with asyncio.timeout(PATIENCE):
            await anext(signals)
            await self._after(guarded, api, ProbeAnswered(runner_id=RUNNER), half_open)
            await anext(signals)
        await signals.aclose()

    async def test_a_probe_that_fails_opens_it_for_longer(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 5, backend=api)
        await self._open(guarded, api, SHORT)
        half_open = (await self._probe(guarded, api)).breakers[api]
        result = await self._after(guarded, api, ProbeFailed(runner_id=RUNNER), half_open, interval=20.0)
        breaker = result.breaker
        assert (result.written, breaker.state, breaker.failures) == (True, BreakerState.OPEN, 4)
        assert (breaker.probe_runner, breaker.probe_for) == (None, 0)
        assert breaker.paused_for == pytest.approx(30, abs=29)
        assert list(await guarded.claim({api: 5}, RUNNER)) == []

    async def test_a_probe_without_news_goes_to_the_next(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 5, backend=api)
        await self._open(guarded, api, SHORT)
        half_open = (await self._probe(guarded, api)).breakers[api]
        assert (await self._after(guarded, api, ProbeWithoutNews(runner_id=RUNNER), half_open)).written
        (job,) = await self._probe(guarded, api, "runner-2")
        assert job.runner_id == "runner-2"

    async def test_a_probe_whose_runner_is_silent_goes_to_the_next(
        self, hasty_guarded: Store, api: str
    ) -> None:
        await self.add(hasty_guarded, 5, backend=api)
        await self._open(hasty_guarded, api, SHORT)
        half_open = (await self._probe(hasty_guarded, api)).breakers[api]
        taken = await self._probe(hasty_guarded, api, "runner-2")
        assert (len(taken), taken.breakers[api].probe_runner) == (1, "runner-2")
        late = await self._after(hasty_guarded, api, ProbeAnswered(runner_id=RUNNER), half_open)
        assert (late.written, late.breaker.probe_runner) == (False, "runner-2")

    async def test_a_closed_breaker_may_be_paused(self, guarded: Store, api: str) -> None:
        await self.add(guarded, backend=api)
        result = await self._after(guarded, api, Answered(retry_after=LONG))
        assert (result.written, result.breaker.state) == (True, BreakerState.CLOSED)
        claim = await guarded.claim({api: 5}, RUNNER)
        assert (list(claim), claim.breakers[api].state) == ([], BreakerState.CLOSED)
        assert claim.breakers[api].paused_for == pytest.approx(LONG, abs=60)
        breaker = (await guarded.stats())[api].breaker
        assert (breaker.state, round(breaker.paused_for_s, -2)) == ("closed", LONG)

    async def test_a_pause_that_has_passed_lets_all_through(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 5, backend=api)
        await self._after(guarded, api, Answered(retry_after=SHORT))
        assert len(await eventually(lambda: guarded.claim({api: 5}, RUNNER))) == 5

    async def test_a_pause_is_never_shortened(self, guarded: Store, api: str) -> None:
        paused = (await self._after(guarded, api, Answered(retry_after=LONG))).breaker
        result = await self._after(guarded, api, Failed(retry_after=1.0), paused)
        assert result.written
        assert result.breaker.paused_for == pytest.approx(LONG, abs=60)

    async def test_a_pause_while_a_probe_is_under_way_leaves_it_alone(self, guarded: Store, api: str) -> None:
        await self.add(guarded, 5, backend=api)
        await self._open(guarded, api, SHORT)
        half_open = (await self._probe(guarded, api)).breakers[api]
        result = await self._after(guarded, api, Failed(retry_after=LONG), half_open)
        assert result.written
        assert (result.breaker.state, result.breaker.probe_runner) == (BreakerState.HALF_OPEN, RUNNER)
        assert result.breaker.paused_for == pytest.approx(LONG, abs=60)

    async def test_a_table_without_a_breaker_is_claimed_from_all_the_same(
        self, guarded_options: StoreOptions, guarded: Store, api: str
    ) -> None:
        await self.add(guarded, 5, backend=api)
        await self._open(guarded, api, LONG)
        assert await guarded.claim({api: 5}, RUNNER) == []
        if not guarded.capabilities.shared:
            return  # no other process can have opened it
        async with self.opened(guarded_options, breaker=False) as other:
            assert len(await other.claim({api: 5}, RUNNER)) == 5
            assert (await other.stats())[api].breaker == BreakerStats()  # it keeps nothing from being sent

    async def test_a_pause_of_a_table_without_a_breaker_is_shown(
        self, guarded_options: StoreOptions, api: str
    ) -> None:
        async with self.opened(guarded_options, breaker=False) as store:
            await self.add(store, 1, backend=api)
            await self._after(store, api, Answered(retry_after=LONG))
            assert (await store.stats())[api].breaker.paused_for_s == pytest.approx(LONG, abs=60)
            assert len(await store.claim({api: 5}, RUNNER)) == 1

    async def _after(
        self,
        store: Store,
        api: str,
        event: BreakerEvent,
        before: Breaker | None = None,
        *,
        interval: float = 1.0,
    ) -> BreakerResult:
        config = BreakerConfig(failures=3, interval=interval)
        change = change_after(api, before or Breaker(), event, config)
        assert change is not None
        return await store.change_breaker(change)

    async def _open(self, store: Store, api: str, seconds: float) -> BreakerResult:
        for failures in range(2):
            await self._after(store, api, Failed(), Breaker(failures=failures))
        result = await self._after(store, api, Failed(), Breaker(failures=2), interval=seconds)
        assert result.written
        return result

    async def _fail(self, store: Store, api: str, claim: Claim) -> None:
        failed = ProbeFailed(runner_id=RUNNER)
        await self._after(store, api, failed, claim.breakers[api], interval=SHORT / 100)

    async def _probe(self, store: Store, api: str, runner: str = RUNNER) -> Claim:
        return await eventually(lambda: store.claim({api: 5}, runner))
