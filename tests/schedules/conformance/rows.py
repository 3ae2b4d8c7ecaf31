"""``schedules`` and ``change_schedule``: rows are kept as they are, and changed under a guard."""

# a test's name says what it promises

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import attrs
from tests.schedules.conformance.harness import NAME, SECOND, ScheduleHarness, schedules_of

from sp00ky_conformance.store.harness import is_close
from sp00ky_core.ports import Store
from sp00ky_schedules.model.records import ScheduleChange, StoredSchedule

__all__ = ["ScheduleRowConformance"]

WORDS = 'it\'s "late"; -- \u00e4\u2744'
AT = datetime(2026, 3, 29, 1, 0, 0, 123456, tzinfo=UTC)


class ScheduleRowConformance(ScheduleHarness):
    """A schedule is a row; each change of it is guarded by its revision."""

    async def test_there_is_none_at_first(self, store: Store) -> None:
        (job,) = await self.add(store)
        snapshot = await schedules_of(store).schedules()
        assert snapshot.schedules == {}
        assert is_close(snapshot.now, job.created_at)
        assert snapshot.now.utcoffset() is not None

    async def test_a_row_is_kept_as_it_is(self, store: Store) -> None:
        schedule = StoredSchedule(
            name=NAME,
            definition={"cron": "0 2 * * *", "payload": {"words": WORDS, "deep": [1, 2.5, None, True]}},
            hash="h2",
            seen=("h1", "h2"),
            origin="python",
            paused=True,
            removed=True,
            next_fire_at=AT,
            last_fired_at=AT,
            last_error=WORDS,
            failures={WORDS: 3, "": 1},
            job_table="their_job",
        )
        assert await schedules_of(store).change_schedule(ScheduleChange(schedule=schedule)) == []
        assert await self.stored(store) == attrs.evolve(schedule, revision=1)

    async def test_what_a_row_need_not_say_may_be_missing(self, store: Store) -> None:
        schedule = await self.made(store)
        assert (schedule.next_fire_at, schedule.last_fired_at, schedule.last_error, schedule.failures) == (
            None,
            None,
            None,
            {},
        )

    async def test_each_change_raises_the_revision(self, store: Store) -> None:
        before = await self.made(store)
        change = ScheduleChange(schedule=attrs.evolve(before, paused=True))
        assert await schedules_of(store).change_schedule(change) == []
        after = await self.stored(store)
        assert (after.revision, after.paused) == (before.revision + 1, True)

    async def test_a_change_of_what_has_changed_writes_nothing(self, store: Store) -> None:
        before = await self.made(store)
        paused = ScheduleChange(schedule=attrs.evolve(before, paused=True))
        assert await schedules_of(store).change_schedule(paused) == []
        assert await self.fired(store, before) is None
        after = await self.stored(store)
        assert (after.paused, after.next_fire_at) == (True, None)
        assert await self.runs(store) == []
        assert (await store.stats())["api"].pending == 0

    async def test_a_row_that_is_there_is_not_made_again(self, store: Store) -> None:
        await self.made(store)
        other = StoredSchedule(name=NAME, definition={"every": 90}, hash="h2")
        assert await schedules_of(store).change_schedule(ScheduleChange(schedule=other)) is None
        assert (await self.stored(store)).hash == "h1"

    async def test_a_row_that_is_missing_is_not_changed(self, store: Store) -> None:
        gone = StoredSchedule(name=NAME, definition={}, hash="h1", revision=3)
        assert await self.fired(store, gone) is None
        assert (await schedules_of(store).schedules()).schedules == {}

    async def test_of_many_that_decide_alike_one_writes(self, store: Store) -> None:
        for n in range(5):
            before = await self.made(store, name=f"s{n}")
            now = await self.now(store)
            tried = [self.fired(store, before, "a", "b", now=now + i * SECOND) for i in range(8)]
            written = [run for run in await asyncio.gather(*tried) if run is not None]
            assert len(written) == 1
            assert (await self.stored(store, before.name)).revision == before.revision + 1
        assert (await store.stats())["api"].pending == 10
        assert len(await self.runs(store)) == 10

    async def test_of_many_that_make_a_row_one_does(self, store: Store) -> None:
        rows = [StoredSchedule(name=NAME, definition={}, hash=f"h{n}") for n in range(8)]
        tried = [schedules_of(store).change_schedule(ScheduleChange(schedule=row)) for row in rows]
        assert (await asyncio.gather(*tried)).count(None) == 7
        assert (await self.stored(store)).revision == 1
