"""A schedule fires once when it is due, by its own runner first."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from tests.schedules.bench import Bench, Clock

from sp00ky_conformance.store.harness import eventually
from sp00ky_core import hookimpl
from sp00ky_core.errors import QueryRefused, RowRefused, StoreError, StoreUnavailable
from sp00ky_core.job.job import JobStatus
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.runner.services import RunnerSide
from sp00ky_core.testing import ScriptedTransport
from sp00ky_schedules import Schedules
from sp00ky_schedules.api import SyncResult
from sp00ky_schedules.errors import ScheduleStopped, UnknownSchedule
from sp00ky_schedules.model.config import parse_schedule
from sp00ky_schedules.model.definition import definition_of
from sp00ky_schedules.model.records import (
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
    StoredSchedule,
    Trigger,
)
from sp00ky_schedules.service.scheduler import decisions_of, everything, own_of
from sp00ky_schedules.tables import ScheduleTables
from sp00ky_store_kit.connection.session import Row
from sp00ky_store_kit.memory import MemorySession
from sp00ky_store_kit.schema import Table


def stored(**backends: str) -> ScheduleSnapshot:
    schedules = {
        name: StoredSchedule(name=name, definition={"backend": backend}, hash="")
        for name, backend in backends.items()
    }
    return ScheduleSnapshot(now=datetime.now(UTC), schedules=schedules)


def side(own: int, count: int) -> RunnerSide:
    return RunnerSide(lambda backend: (own, count) if backend == "api" else (0, 1), time.monotonic, ())


def test_runners_share_the_schedules_out() -> None:
    snapshot = stored(**{f"s{n}": "api" for n in range(10)})
    shares = [own_of(side(own, 4).share, snapshot) for own in range(4)]
    assert sum(map(len, shares)) == 10
    assert set.union(*shares) == set(snapshot.schedules)


def test_each_backends_runners_share_its_schedules() -> None:
    snapshot = stored(a="api", b="api", c="mail", d="mail")
    shares = [own_of(side(own, 2).share, snapshot) for own in range(2)]
    assert shares[0] & shares[1] == {"c", "d"}
    assert shares[0] | shares[1] == set("abcd")


def test_a_runner_that_is_alone_has_all() -> None:
    assert own_of(everything, stored(a="api", b="mail")) == {"a", "b"}


EACH_MINUTE = "{tick: {every: 60s, backend: api, route: /a}}"


@pytest.mark.parametrize("seconds", [60, 86_400], ids=["in time", "after a day without a runner"])
async def test_a_schedule_fires_once_when_it_is_due(timer: Bench, seconds: float) -> None:
    outbox = timer.outbox(EACH_MINUTE)
    await timer.fire(outbox)
    assert await timer.deliver() == 0
    timer.clock.move(seconds)
    await timer.fire(outbox)
    await timer.fire(outbox)
    assert await timer.deliver() == 1
    assert timer.witness.fires == [("tick", 1)]
    record = await outbox.extension(Schedules).get("tick")
    assert record.stored.last_fired_at == timer.clock.now
    assert record.stored.next_fire_at == timer.clock.now + timedelta(seconds=60)


async def test_four_runners_make_each_fire_once(timer: Bench) -> None:
    schedules = ", ".join(
        f"s{n}: {{every: 10s, backend: api, route: /a, concurrency: allow}}" for n in range(20)
    )
    outboxes = [timer.outbox(f"{{{schedules}}}") for _ in range(4)]
    await asyncio.gather(*map(timer.fire, outboxes))
    for _ in range(5):
        timer.clock.move(10)
        await asyncio.gather(*map(timer.fire, outboxes))
    assert await timer.deliver() == 100
    assert len(timer.witness.fires) == 100


async def test_a_clock_that_was_ahead_for_a_moment_silences_no_schedule(
    timer: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = timer.outbox(EACH_MINUTE)
    await timer.fire(outbox)
    scheduler = timer.services(outbox).scheduler
    timer.clock.move(86_400)
    await timer.fire(outbox)
    assert scheduler._begin(await timer.tables.schedules()) > 0  # it has seen the row, and found it right
    timer.clock.move(-86_400)
    scheduler._begin(await timer.tables.schedules())
    await asyncio.gather(*scheduler._under_way.values())
    record = await outbox.extension(Schedules).get("tick")
    assert record.stored.next_fire_at == timer.clock.now + timedelta(seconds=60)
    assert "the database's clock has gone back" in caplog.text
    assert len(timer.witness.fires) == 1, "it doesn't fire for that"
    timer.clock.move(60)
    await timer.fire(outbox)
    assert len(timer.witness.fires) == 2


async def test_a_fire_is_cancelled_again_where_it_goes_on_after_the_first_cancellation(
    timer: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_schedules.service.scheduler.AFTER_FAILURE", 3_600.0)
    begun, answered = asyncio.Event(), asyncio.Event()

    async def answer_with_an_error(*_: object) -> bool:
        begun.set()
        try:
            return await asyncio.sleep(3_600, result=True)
        except asyncio.CancelledError:
            answered.set()
            raise StoreUnavailable(store="memory://", problem="cut off") from None

    outbox = timer.outbox(EACH_MINUTE)
    await timer.fire(outbox)
    timer.clock.move(60)
    scheduler = timer.services(outbox).scheduler
    monkeypatch.setattr(scheduler, "_fire_or_bring_back", answer_with_an_error)
    await scheduler.look()
    await begun.wait()
    closing = asyncio.create_task(scheduler.close())
    await answered.wait()
    closing.cancel()
    assert (await asyncio.wait([closing], timeout=60))[0]


async def test_a_pause_keeps_it_and_what_was_missed_is_left_out(timer: Bench) -> None:
    outbox = timer.outbox(EACH_MINUTE)
    await timer.fire(outbox)
    assert await outbox.extension(Schedules).pause("tick")
    timer.clock.move(3_600)
    await timer.fire(outbox)
    assert await outbox.extension(Schedules).resume("tick")
    await timer.fire(outbox)
    assert await timer.deliver() == 0
    timer.clock.move(60)
    await timer.fire(outbox)
    assert await timer.deliver() == 1


async def test_replace_kills_the_job_before(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /a, concurrency: replace}}")
    await timer.fire(outbox)
    for _ in range(2):
        timer.clock.move(60)
        await timer.fire(outbox)
    latest, replaced = await outbox.extension(Schedules).runs("tick")
    assert (latest.status, replaced.status) == (RunStatus.RUNNING, RunStatus.REPLACED)
    killed = await outbox.get(str(replaced.job_id))
    assert killed.errors[-1].reason == "replaced: its schedule has fired again"
    assert await timer.deliver() == 1


async def test_who_is_late_to_replace_kills_nothing_of_the_fire_that_was_faster(
    timer: Bench,
) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /a, concurrency: replace}}")
    await timer.fire(outbox)
    timer.clock.move(60)
    late = timer.services(outbox).scheduler
    seen = (await timer.tables.schedules()).schedules["tick"]
    await timer.fire(outbox)
    (run,) = await outbox.extension(Schedules).runs("tick")
    timer.clock.move(1)
    definition = late._definition(seen)
    assert await late._firing.fire(seen, definition, timer.clock.now, Trigger.CRON) is None
    assert (await outbox.get(str(run.job_id))).status is JobStatus.PENDING


async def test_a_fan_out_makes_a_job_for_each_row(timer: Bench) -> None:
    outbox = timer.outbox(
        "{tick: {every: 60s, backend: api, route: /a, payload: {a: 1}, "
        """forEach: {query: '[{"id": 1}, {"id": 2}, {"id": 1}]'}}}"""
    )
    await timer.fire(outbox)
    timer.clock.move(60)
    await timer.fire(outbox)
    jobs = [await outbox.get(str(run.job_id)) for run in await outbox.extension(Schedules).runs("tick")]
    assert sorted(job.payload["row"]["id"] for job in jobs) == [1, 2]
    assert timer.witness.fires == [("tick", 2)]


async def test_a_query_that_is_refused_is_said_and_the_clock_goes_on(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /a, forEach: {query: SELECT 1}}}")
    await timer.fire(outbox)
    timer.clock.move(60)
    await timer.fire(outbox)
    record = await outbox.extension(Schedules).get("tick")
    assert str(record.stored.last_error).startswith("forEach.query: the query is refused")
    assert record.stored.next_fire_at == timer.clock.now + timedelta(seconds=60)
    assert await timer.deliver() == 0


async def test_a_query_that_is_not_of_this_process_is_not_run(timer: Bench) -> None:
    owner = timer.outbox("{tick: {every: 60s, backend: api, route: /a, forEach: {query: '[]'}}}")
    await timer.fire(owner)
    stranger = timer.outbox("{}")
    timer.clock.move(60)
    await timer.fire(stranger)
    assert (await owner.extension(Schedules).get("tick")).stored.last_fired_at is None
    await timer.fire(owner)
    assert (await owner.extension(Schedules).get("tick")).stored.last_fired_at == timer.clock.now


async def test_a_real_runner_fires_and_delivers(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {cron: '* * * * * *', backend: api, route: /a}}")
    transport = ScriptedTransport()
    async with outbox.runner(RunnerOptions(poll=0.05), transport=transport):
        await eventually(outbox.extension(Schedules).list)
        timer.clock.move(1)

        async def succeeded() -> bool:
            return RunStatus.SUCCESS in {run.status for run in await outbox.extension(Schedules).runs()}

        assert await eventually(succeeded)
    assert timer.witness.fires == [("tick", 1)]


async def test_what_fails_for_schedules_counts_among_the_runners_failures(
    timer: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = timer.outbox(EACH_MINUTE)
    failed = asyncio.Event()

    async def fails(*_: object, **__: object) -> None:
        failed.set()
        raise StoreUnavailable(store="memory://", problem="away")

    monkeypatch.setattr(ScheduleTables, "schedules", fails)
    async with outbox.runner(transport=ScriptedTransport()) as runner:
        await failed.wait()
        assert await eventually(lambda: _counted(runner))


async def _counted(runner: Runner) -> bool:
    return runner.observer.counters.store_errors > 0


FAN_OUT = "{tick: {every: 60s, backend: api, route: /a, forEach: {query: '%s'}}}"


async def test_a_query_that_is_refused_is_an_error_where_it_is_fired_by_hand(timer: Bench) -> None:
    outbox = timer.outbox(FAN_OUT % "nonsense")
    await outbox.migrate()
    with pytest.raises(QueryRefused):
        await outbox.extension(Schedules).trigger("tick")
    assert (await outbox.extension(Schedules).get("tick")).stored.last_fired_at is None


@attrs.define
class Listener:
    heard: list[tuple[str, list[str]]] = attrs.field(factory=list)

    @hookimpl
    async def sp00ky_schedule_fired(self, schedule: str, runs: Sequence[ScheduleRun]) -> None:
        self.heard.append((schedule, sorted(run.status.value for run in runs)))


async def test_plugins_hear_of_a_fire_with_all_its_runs(tmp_path: Path) -> None:
    listener = Listener()
    timer = Bench(tmp_path, Clock(), listener)
    outbox = timer.outbox(FAN_OUT % '[{"id": 1}, {"id": 2}]')
    await outbox.migrate()
    await outbox.extension(Schedules).trigger("tick")
    timer.clock.move(1)
    await outbox.extension(Schedules).trigger("tick")
    assert listener.heard == [("tick", ["running"] * 2), ("tick", ["skipped"] * 2)]


async def test_a_key_whose_row_the_database_refuses_is_quarantined(
    timer: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FAN_OUT.replace("route: /a", "route: /a, concurrency: allow, quarantineAfter: 2")
    outbox = timer.outbox(rows % '[{"id": "good"}, {"id": "bad"}]')
    await outbox.migrate()
    insert = MemorySession.insert

    async def refuse(self: MemorySession, table: Table, rows: Sequence[Row]) -> None:
        if any('"bad"' in str(row.get("payload")) for row in rows):
            raise RowRefused(store="memory://", problem="no!")
        await insert(self, table, rows)

    monkeypatch.setattr(MemorySession, "insert", refuse)
    for _ in range(2):
        runs = await outbox.extension(Schedules).trigger("tick")
        assert [run.status.value for run in runs] == ["running", "failed"]
        timer.clock.move(1)
    assert (await outbox.extension(Schedules).get("tick")).quarantined == ("bad",)


TICK = "{tick: {every: 60s, backend: api, route: /a}}"
TOCK = "{tock: {every: 60s, backend: api, route: /a}}"


async def test_a_change_is_decided_again_on_what_another_has_written(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    seen: list[int] = []

    def decide(stored: StoredSchedule | None, _: object) -> StoredSchedule | None:
        assert stored is not None
        seen.append(stored.revision)
        before = 1 if len(seen) == 1 else 0  # as if another process had written since it was read
        return attrs.evolve(stored, paused=True, revision=stored.revision + before)

    assert await timer.tables.change("tick", decide)
    assert len(seen) == 2
    assert (await outbox.extension(Schedules).get("tick")).stored.paused


async def test_a_row_that_changes_all_the_time_is_an_error(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    with pytest.raises(StoreError, match="changes all the time"):
        await timer.tables.change("tick", lambda stored, _: stored and attrs.evolve(stored, revision=99))


async def test_a_definition_that_cannot_be_read_is_replaced_by_the_files(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    newer = {"every": 60.0, "backend": "api", "route": "/a", "later": True}
    wrote = await timer.tables.change(
        "tick",
        lambda stored, _: stored and attrs.evolve(stored, definition=newer, hash="other"),
    )
    assert wrote
    record = await outbox.extension(Schedules).get("tick")
    assert (record.definition, definition_of(record.stored)) == (None, None)
    await timer.fire(outbox)
    assert await timer.tables.define(
        decisions_of(outbox.config.extensions["schedules"].schedules, outbox.backends)
    ) == ["tick"]
    assert (await outbox.extension(Schedules).get("tick")).definition is not None


async def another_services(timer: Bench, name: str) -> None:
    """Define a schedule as a service does whose backend has the same name, and another table."""
    definition = parse_schedule(name, {"every": 60, "backend": "api", "route": "/a"}).to_json()
    row = StoredSchedule(name=name, definition=definition, hash="h", job_table="their_job")
    due = attrs.evolve(row, next_fire_at=timer.clock.now)
    assert await timer.tables.change_schedule(ScheduleChange(schedule=due)) is not None


async def test_another_services_schedule_is_neither_removed_nor_fired(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await another_services(timer, "theirs")
    assert await outbox.extension(Schedules).sync() == SyncResult(defined=["tick"], removed=[])
    await timer.fire(outbox)
    assert await outbox.extension(Schedules).runs("theirs") == []
    with pytest.raises(ScheduleStopped, match=r"with the table 'their_job'\) isn't one of this conf"):
        await outbox.extension(Schedules).trigger("theirs")


async def test_one_is_removed_by_hand_and_the_files_come_back(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.migrate()
    await outbox.extension(Schedules).define("mine", every=60, backend="api", route="/a")
    for name in ("tick", "mine"):
        assert await outbox.extension(Schedules).remove(name, reason="not needed")
        with pytest.raises(UnknownSchedule):
            await outbox.extension(Schedules).remove(name)
    await timer.fire(outbox)
    assert await outbox.extension(Schedules).list() == []
    assert [entry.action for entry in await outbox.audit()][:2] == ["schedules remove"] * 2
    assert (await outbox.extension(Schedules).sync()).defined == ["tick"]
