"""Read what a fire is decided on."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest
from tests.core.schedule_bench import Bench, Clock

from sp00ky_core import Outbox, hookimpl
from sp00ky_core.errors import QueryRefused, RowRefused
from sp00ky_core.ports import ScheduleRun
from sp00ky_core.runner.maintenance.firing import open_runs
from sp00ky_core.stores.memory.store import MemorySession
from sp00ky_core.stores.transactional.connection.session import Row
from sp00ky_core.stores.transactional.schema import Table

FAN_OUT = "{tick: {every: 60s, backend: api, route: /a, forEach: {query: '%s'}}}"


async def test_open_runs_come_with_their_jobs_however_many(timer: Bench) -> None:
    rows = ", ".join(f'{{"id": {n}}}' for n in range(1_100))
    outbox = timer.outbox(FAN_OUT % f"[{rows}]")
    await outbox.migrate()
    made = await outbox.schedules.trigger("tick")
    found = await open_runs(timer.store, "tick")
    assert len(found) == len(made) == 1_100
    assert all(job is not None and job.id == run.job_id for run, job in found)


async def test_a_query_that_is_refused_is_an_error_where_it_is_fired_by_hand(timer: Bench) -> None:
    outbox = timer.outbox(FAN_OUT % "nonsense")
    await outbox.migrate()
    with pytest.raises(QueryRefused):
        await outbox.schedules.trigger("tick")
    assert (await outbox.schedules.get("tick")).stored.last_fired_at is None


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
    await outbox.schedules.trigger("tick")
    timer.clock.move(1)
    await outbox.schedules.trigger("tick")
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
        runs = await outbox.schedules.trigger("tick")
        assert [run.status.value for run in runs] == ["running", "failed"]
        timer.clock.move(1)
    assert (await outbox.schedules.get("tick")).quarantined == ("bad",)


async def test_a_backend_that_shares_its_table_gets_its_jobs(tmp_path: Path) -> None:
    document = 'openapi: 3.1.0\ninfo: {title: t, version: "1"}\npaths: {%s: {post: {}}}\n'
    (tmp_path / "api.yml").write_text(document % "/a")
    (tmp_path / "agent.yml").write_text(document % "/chat")
    backend = "{spec: %s.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"
    file = tmp_path / "sp00ky.yml"
    file.write_text(
        f"store: memory://\nbackends: {{api: {backend % 'api'}, agent: {backend % 'agent'}}}\n"
        "schedules: {tick: {every: 60s, backend: agent, route: /chat}}\n"
    )
    async with Outbox.open(file) as outbox:
        await outbox.migrate()
        (run,) = await outbox.schedules.trigger("tick")
        job = await outbox.get(str(run.job_id))
        assert (job.backend, job.path) == ("agent", "/chat")
