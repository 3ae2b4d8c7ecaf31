"""A runner that is shown what isn't so says it once, and delivers what is so."""

import logging
from typing import Any

import pytest
from tests.store_surreal.lying_index import defined_beside

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobTable

FEW = 5
ENDED = "UPDATE job SET status = 'success', lease_until = NONE, runner_id = NONE WHERE status = '{status}'"


def new_jobs(count: int, **options: object) -> list[NewJob]:
    return [NewJob(backend="api", path="/spookify", **options) for _ in range(count)]


@pytest.mark.parametrize(
    ("limits", "options"),
    [({}, {}), ({"max_in_flight": 10}, {}), ({}, {"priority": 3}), ({}, {"ordering_key": "k"})],
    ids=["plain", "maxInFlight", "priority", "ordering_key"],
)
@pytest.mark.parametrize("status", ["pending", "processing"])
async def test_what_an_index_shows_wrongly_stops_nothing(
    surreal_url: str,
    caplog: pytest.LogCaptureFixture,
    status: str,
    limits: dict[str, int],
    options: dict[str, object],
    make_migrated: Any,
) -> None:
    store = await make_migrated(surreal_url, (JobTable(backend="api", table="job", **limits),))
    await store.add(new_jobs(3 * FEW, **options))
    if status == "processing":
        await store._connection.write(
            "UPDATE job SET status = 'processing', lease_epoch = 1, runner_id = 'dead', "
            "lease_until = time::now() - 1h"
        )
    await defined_beside(surreal_url, ENDED.format(status=status))
    healthy = {job.id for job in await store.add(new_jobs(1, **options))}
    for _ in range(2):
        assert await store.overdue(["r"]) == []
        assert await store.reclaim({}, beating=["r"]) == []
    claim = await store.claim({"api": FEW}, "r")
    assert {job.id for job in claim} == healthy
    await store.settle([settlement(job, Delivered()) for job in claim])
    assert list(await store.claim({"api": FEW}, "r")) == []
    said = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1
    assert "run sp00ky migrate" in said[0].getMessage()
    await store.migrate()
    await store.overdue(["r"])
    healthy = {job.id for job in await store.add(new_jobs(1, **options))}
    assert {job.id for job in await store.claim({"api": FEW}, "r")} == healthy
