"""What is said of a schedule as it is now."""

from datetime import timedelta

import attrs
import pytest
from tests.core.schedule_bench import Bench

from sp00ky_core.errors import (
    CallUnsupported,
    ConfigError,
    ScheduleInvalid,
    ScheduleStopped,
    UnknownBackend,
    UnknownRoute,
)
from sp00ky_core.ports import RunStatus
from sp00ky_core.stores.transitions import kill

TICK = "{tick: {every: 60s, backend: api, route: /a}}"


async def test_a_schedule_is_defined_from_python_and_outlives_a_sync(timer: Bench) -> None:
    outbox = timer.outbox(TICK)
    await outbox.schedules.define(
        "mine",
        every=timedelta(minutes=5),
        backend="api",
        route="/a",
        for_each={"query": "[]"},
        quarantine_after=3,
    )
    result = await outbox.schedules.sync()
    assert (result.defined, result.removed) == (["tick"], [])
    records = {record.name: record for record in await outbox.schedules.list()}
    assert records.keys() == {"mine", "tick"}
    assert records["mine"].stored.definition["every"] == 300
    assert records["mine"].stored.next_fire_at == timer.clock.now + timedelta(minutes=5)


async def test_what_cannot_be_defined_is_refused_and_nothing_written(timer: Bench) -> None:
    outbox = timer.outbox("{}")
    with pytest.raises(ScheduleInvalid, match="neither"):
        await outbox.schedules.define("mine", backend="api", route="/a")
    with pytest.raises(UnknownBackend):
        await outbox.schedules.define("mine", every=60, backend="none", route="/a")
    with pytest.raises(UnknownRoute):
        await outbox.schedules.define("mine", every=60, backend="api", route="/none")
    with pytest.raises(UnknownRoute):
        await outbox.schedules.define(
            "mine", every=60, backend="api", route="/none", for_each={"query": "[]"}
        )
    assert await outbox.schedules.list() == []


async def test_a_pause_wins_over_a_trigger(timer: Bench) -> None:
    outbox = timer.outbox(
        "{tick: {every: 60s, backend: api, route: /a}, "
        "off: {every: 60s, backend: api, route: /a, enabled: false}}"
    )
    await outbox.migrate()
    assert await outbox.schedules.pause("tick")
    assert not await outbox.schedules.pause("tick")
    with pytest.raises(ScheduleStopped, match="it is paused; see: sp00ky schedules resume tick"):
        await outbox.schedules.trigger("tick")
    with pytest.raises(ScheduleStopped, match="isn't enabled"):
        await outbox.schedules.trigger("off")
    assert await outbox.schedules.runs() == []
    assert await outbox.schedules.resume("tick")
    assert not await outbox.schedules.resume("tick")


async def test_a_job_that_the_contract_refuses_is_a_run_that_failed(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /none}}")
    await outbox.migrate()
    (run,) = await outbox.schedules.trigger("tick")
    assert (run.status, (run.error or {})["code"], run.job_id) == (RunStatus.FAILED, "unknown_route", None)


async def test_the_last_run_of_a_fire_is_one_that_failed_if_any_did(timer: Bench) -> None:
    rows = '[{"id": 1, "row": "odd"}, {"id": 2}, {"id": ""}]'
    outbox = timer.outbox(f"{{tick: {{every: 60s, backend: api, route: /a, forEach: {{query: '{rows}'}}}}}}")
    await outbox.migrate()
    runs = await outbox.schedules.trigger("tick")
    ids = [run.job_id for run in runs if run.job_id is not None]
    await kill(timer.store, ids[:1], reason="by hand")
    await timer.deliver()
    await timer.services(outbox).upkeep.close_runs()
    (record,) = await outbox.schedules.list()
    assert record.last_run is not None
    assert (record.last_run.key, record.last_run.status) == ("1", RunStatus.KILLED)
    timer.clock.move(1)
    await outbox.schedules.trigger("tick")
    await timer.deliver()
    record = await outbox.schedules.get("tick")
    assert record.last_run is not None
    assert record.last_run.status is RunStatus.SUCCESS


async def test_a_store_that_keeps_none_refuses_a_file_with_schedules_and_each_call(
    timer: Bench,
) -> None:
    outbox = timer.outbox(TICK)
    timer.store.capabilities = attrs.evolve(timer.store.capabilities, schedules=False)
    for refuses in (outbox.refuse_unsupported, outbox.runner):
        with pytest.raises(ConfigError, match="schedules: memory:// keeps no schedules; leave it out"):
            refuses()
    for call in (outbox.schedules.list, outbox.schedules.runs, outbox.schedules.sync):
        with pytest.raises(CallUnsupported):
            await call()
    await outbox.migrate()
