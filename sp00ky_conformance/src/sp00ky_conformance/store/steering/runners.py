"""``runners``, ``drain_runner`` and ``remove_runner``: who is at work, and who is to stop."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
import os

import pytest

from sp00ky_conformance.store.connection.other_process import members
from sp00ky_conformance.store.connection.processes import STARTUP
from sp00ky_conformance.store.harness import RUNNER, StoreHarness, eventually, needs, where
from sp00ky_core.ports import RunnerInfo, RunnerRecord, Store, StoreOptions

__all__ = ["RunnerRecordConformance", "DrainConformance"]

INFO = RunnerInfo(
    version="1.2.3",
    documents={"api": "0123456789ab"},
    in_flight={"api": 3, 'it\'s "one"': 0},
    slots={"api": 50, 'it\'s "one"': 8},
)


class RunnerRecordConformance(StoreHarness):
    """A runner's row says what it is and does, until it stops."""

    async def test_without_runners_the_list_is_empty(self, store: Store) -> None:
        assert await store.runners() == []

    async def test_a_beat_makes_a_row(self, store: Store) -> None:
        beats = await store.beat(RUNNER, INFO)
        (record,) = await store.runners()
        assert (record.id, record.pid, record.info) == (RUNNER, os.getpid(), INFO)
        assert record.host
        assert record.beat_at == beats[RUNNER].at
        assert record.started_at <= record.beat_at
        assert record.started_at.utcoffset() is not None
        assert 0 <= record.silent_for <= 60

    async def test_a_later_beat_moves_the_beat_alone(self, store: Store) -> None:
        await store.beat(RUNNER)
        (first,) = await store.runners()

        async def moved() -> list[RunnerRecord]:
            await store.beat(RUNNER, INFO)
            return [runner for runner in await store.runners() if runner.beat_at > first.beat_at]

        (later,) = await eventually(moved)
        assert (later.started_at, later.info) == (first.started_at, INFO)

    async def test_the_youngest_come_first(self, store: Store) -> None:
        names = ["b", "c", "a"]
        for name in names:
            await store.beat(name)
            await self._time_passes(store)
        await store.beat("b")
        records = await store.runners()
        assert [record.id for record in records if record.id in names] == names[::-1]

    @needs("backdate_beat")
    async def test_silence_is_in_seconds(self, store: Store) -> None:
        for name in ("silent", "alive"):
            await store.beat(name)
        await self.backdate_beat(store, "silent", 600.0)
        silence = {record.id: record.silent_for for record in await store.runners()}
        assert silence == {"silent": pytest.approx(600, abs=60), "alive": pytest.approx(0, abs=60)}

    async def test_a_runner_that_stops_leaves_no_row(self, store: Store) -> None:
        for name in (RUNNER, "runner-2"):
            await store.beat(name)
        await store.remove_runner(RUNNER)
        await store.remove_runner("never-there")
        assert [record.id for record in await store.runners()] == ["runner-2"]
        assert set(await store.beat("runner-2")) == {"runner-2"}

    async def _time_passes(self, store: Store) -> None:
        """Let the database's clock move on."""
        before = (await store.beat("clock"))["clock"].at

        async def moved() -> bool:
            return (await store.beat("clock"))["clock"].at > before

        await eventually(moved)


class DrainConformance(StoreHarness):
    """An operator asks a runner to drain, and its next beat says so."""

    async def test_the_next_beat_says_that_it_is_to_drain(self, store: Store) -> None:
        for name in (RUNNER, "runner-2"):
            await store.beat(name, INFO)
        assert await store.drain_runner(RUNNER) is True
        for _ in range(2):
            beats = await store.beat(RUNNER, INFO)
            assert (beats[RUNNER].info.draining, beats["runner-2"].info.draining) == (True, False)
        assert (await store.beat("runner-2"))["runner-2"].info.draining is False
        assert beats[RUNNER].info.slots == INFO.slots

    async def test_it_is_seen_before_the_runner_does(self, store: Store) -> None:
        await store.beat(RUNNER)
        await store.drain_runner(RUNNER)
        assert [record.info.draining for record in await store.runners()] == [True]
        assert (await store.beat("runner-2"))[RUNNER].info.draining is True

    async def test_a_runner_that_drains_of_its_own_is_seen(self, store: Store) -> None:
        await store.beat(RUNNER, RunnerInfo(draining=True))
        assert [record.info.draining for record in await store.runners()] == [True]

    async def test_a_drain_may_be_repeated(self, store: Store) -> None:
        await store.beat(RUNNER)
        assert [await store.drain_runner(RUNNER) for _ in range(2)] == [True, True]

    async def test_a_runner_that_is_gone_cannot_drain(self, store: Store) -> None:
        assert await store.drain_runner(RUNNER) is False
        await store.beat(RUNNER)
        await store.remove_runner(RUNNER)
        assert await store.drain_runner(RUNNER) is False
        assert await store.runners() == []

    async def test_a_new_row_under_an_old_name_drains_no_more(self, store: Store) -> None:
        await store.beat(RUNNER)
        await store.drain_runner(RUNNER)
        await store.remove_runner(RUNNER)
        assert (await store.beat(RUNNER))[RUNNER].info.draining is False

    @where("shared")
    async def test_another_process_asks_it_to_drain(self, store: Store, options: StoreOptions) -> None:
        await store.beat(RUNNER)
        async with asyncio.timeout(STARTUP), members(self, options, "call") as (other,):
            await other.go(method="drain_runner", arguments={"runner_id": RUNNER})
            assert await other.result() is True
        assert (await store.beat(RUNNER))[RUNNER].info.draining is True
