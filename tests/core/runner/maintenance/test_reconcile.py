"""Change rows under their guard, again where another process was faster."""

import attrs
import pytest
from tests.core.schedule_bench import Bench

from sp00ky_core.config.schedules import parse_schedule
from sp00ky_core.errors import ScheduleStopped, StoreError, UnknownSchedule
from sp00ky_core.ports import ScheduleChange, StoredSchedule
from sp00ky_core.runner.maintenance.reconcile import SyncResult, change, define
from sp00ky_core.schedules.definition import definition_of

TICK = "{tick: {every: 60s, backend: api, route: /a}}"


async def test_a_change_is_decided_again_on_what_another_has_written(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    seen: list[int] = []

    def decide(stored: StoredSchedule | None, _: object) -> StoredSchedule | None:
        assert stored is not None
        seen.append(stored.revision)
        before = 1 if len(seen) == 1 else 0  # as if another process had written since it was read
        return attrs.evolve(stored, paused=True, revision=stored.revision + before)

    assert await change(timer.store, "tick", decide)
    assert len(seen) == 2
    assert (await outbox.schedules.get("tick")).stored.paused


async def test_a_row_that_changes_all_the_time_is_an_error(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    with pytest.raises(StoreError, match="changes all the time"):
        await change(timer.store, "tick", lambda stored, _: stored and attrs.evolve(stored, revision=99))


async def test_a_definition_that_cannot_be_read_is_replaced_by_the_files(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    newer = {"every": 60.0, "backend": "api", "route": "/a", "later": True}
    wrote = await change(
        timer.store,
        "tick",
        lambda stored, _: stored and attrs.evolve(stored, definition=newer, hash="other"),
    )
    assert wrote
    record = await outbox.schedules.get("tick")
    assert (record.definition, definition_of(record.stored)) == (None, None)
    await timer.fire(outbox)
    assert await define(timer.store, outbox.config.schedules, {"api": "job"}) == ["tick"]
    assert (await outbox.schedules.get("tick")).definition is not None


async def another_services(timer: Bench, name: str) -> None:
    """Define a schedule as a service does whose backend has the same name, and another table."""
    definition = parse_schedule(name, {"every": 60, "backend": "api", "route": "/a"}).to_json()
    row = StoredSchedule(name=name, definition=definition, hash="h", job_table="their_job")
    due = attrs.evolve(row, next_fire_at=timer.clock.now)
    assert await timer.store.change_schedule(ScheduleChange(schedule=due)) is not None


async def test_another_services_schedule_is_neither_removed_nor_fired(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await another_services(timer, "theirs")
    assert await outbox.schedules.sync() == SyncResult(defined=["tick"], removed=[])
    await timer.fire(outbox)
    assert await outbox.schedules.runs("theirs") == []
    with pytest.raises(ScheduleStopped, match=r"with the table 'their_job'\) isn't one of this conf"):
        await outbox.schedules.trigger("theirs")


async def test_one_is_removed_by_hand_and_the_files_come_back(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    await outbox.schedules.define("mine", every=60, backend="api", route="/a")
    for name in ("tick", "mine"):
        assert await outbox.schedules.remove(name, reason="not needed")
        with pytest.raises(UnknownSchedule):
            await outbox.schedules.remove(name)
    await timer.fire(outbox)
    assert await outbox.schedules.list() == []
    assert [entry.action for entry in await outbox.audit()][:2] == ["schedules remove"] * 2
    assert (await outbox.schedules.sync()).defined == ["tick"]
