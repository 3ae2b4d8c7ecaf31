"""Read what a fire is decided on."""

from __future__ import annotations

import pytest
from tests.core.scheduling.conftest import Bench

from sp00ky_core.errors import QueryRefused
from sp00ky_core.scheduling.firing import open_runs

FAN_OUT = "{tick: {every: 60s, backend: api, route: /a, forEach: {query: '%s'}}}"


async def test_open_runs_come_with_their_jobs_however_many(bench: Bench) -> None:
    rows = ", ".join(f'{{"id": {n}}}' for n in range(1_100))
    outbox = bench.outbox(FAN_OUT % f"[{rows}]")
    await outbox.migrate()
    made = await outbox.schedules.trigger("tick")
    found = await open_runs(bench.store, "tick")
    assert len(found) == len(made) == 1_100
    assert all(job is not None and job.id == run.job_id for run, job in found)


async def test_a_query_that_is_refused_is_an_error_where_it_is_fired_by_hand(bench: Bench) -> None:
    outbox = bench.outbox(FAN_OUT % "nonsense")
    await outbox.migrate()
    with pytest.raises(QueryRefused):
        await outbox.schedules.trigger("tick")
    assert (await outbox.schedules.get("tick")).stored.last_fired_at is None
