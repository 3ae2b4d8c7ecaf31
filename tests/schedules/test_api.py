"""What is said of a schedule as it is now."""

from datetime import timedelta

import pytest
from tests.schedules.bench import Bench

from sp00ky_core.errors import UnknownBackend, UnknownRoute
from sp00ky_core.stores.transitions import kill
from sp00ky_schedules import Schedules
from sp00ky_schedules.errors import ScheduleInvalid, ScheduleStopped
from sp00ky_schedules.model.records import RunStatus

TICK = "{tick: {every: 60s, backend: api, route: /a}}"


async def test_a_schedule_is_defined_from_python_and_outlives_a_sync(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.extension(Schedules).define(
        "mine",
        every=timedelta(minutes=5),
        backend="api",
        route="/a",
        for_each={"query": "[]"},
        quarantine_after=3,
    )
    result = await outbox.extension(Schedules).sync()
    assert (result.defined, result.removed) == (["tick"], [])
    records = {record.name: record for record in await outbox.extension(Schedules).list()}
    assert records.keys() == {"mine", "tick"}
    assert records["mine"].stored.definition["every"] == 300
    assert records["mine"].stored.next_fire_at == timer.clock.now + timedelta(minutes=5)


async def test_what_cannot_be_defined_is_refused_and_nothing_written(timer: Bench) -> None:
    outbox = timer.outbox("{}")
    with pytest.raises(ScheduleInvalid, match="neither"):
        await outbox.extension(Schedules).define("mine", backend="api", route="/a")
    with pytest.raises(UnknownBackend):
        await outbox.extension(Schedules).define("mine", every=60, backend="none", route="/a")
    with pytest.raises(UnknownRoute):
        await outbox.extension(Schedules).define("mine", every=60, backend="api", route="/none")
    with pytest.raises(UnknownRoute):
        await outbox.extension(Schedules).define(
            "mine", every=60, backend="api", route="/none", for_each={"query": "[]"}
        )
    assert await outbox.extension(Schedules).list() == []


async def test_a_pause_wins_over_a_trigger(timer: Bench) -> None:
    outbox = timer.outbox(
        "{tick: {every: 60s, backend: api, route: /a}, "
        "off: {every: 60s, backend: api, route: /a, enabled: false}}"
    )
    await outbox.migrate()
    assert await outbox.extension(Schedules).pause("tick")
    assert not await outbox.extension(Schedules).pause("tick")
    with pytest.raises(ScheduleStopped, match="it is paused; see: sp00ky schedules resume tick"):
        await outbox.extension(Schedules).trigger("tick")
    with pytest.raises(ScheduleStopped, match="isn't enabled"):
        await outbox.extension(Schedules).trigger("off")
    assert await outbox.extension(Schedules).runs() == []
    assert await outbox.extension(Schedules).resume("tick")
    assert not await outbox.extension(Schedules).resume("tick")


async def test_a_job_that_the_contract_refuses_is_a_run_that_failed(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /none}}")
    await outbox.migrate()
    (run,) = await outbox.extension(Schedules).trigger("tick")
    assert (run.status, (run.error or {})["code"], run.job_id) == (RunStatus.FAILED, "unknown_route", None)


async def test_the_last_run_of_a_fire_is_one_that_failed_if_any_did(timer: Bench) -> None:
    rows = '[{"id": 1, "row": "odd"}, {"id": 2}, {"id": ""}]'
    outbox = timer.outbox(f"{{tick: {{every: 60s, backend: api, route: /a, forEach: {{query: '{rows}'}}}}}}")
    await outbox.migrate()
    runs = await outbox.extension(Schedules).trigger("tick")
    ids = [run.job_id for run in runs if run.job_id is not None]
    await kill(timer.store, ids[:1], reason="by hand")
    await timer.deliver()
    await timer.services(outbox).upkeep.close_runs()
    (record,) = await outbox.extension(Schedules).list()
    assert record.last_run is not None
    assert (record.last_run.key, record.last_run.status) == ("1", RunStatus.KILLED)
    timer.clock.move(1)
    await outbox.extension(Schedules).trigger("tick")
    await timer.deliver()
    record = await outbox.extension(Schedules).get("tick")
    assert record.last_run is not None
    assert record.last_run.status is RunStatus.SUCCESS
