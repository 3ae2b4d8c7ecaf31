"""Rows that claims can't write are passed over, and cost no other row."""

from __future__ import annotations

import time

import pytest

from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_surreal import SurrealStore


async def test_a_row_that_cant_be_claimed_is_passed_over_for_a_while(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated._connection.write(
        "DEFINE EVENT hook ON TABLE job WHEN $after.path = '/bad' AND $after.status = 'processing' "
        "THEN { THROW 'the account record does not exist in its table' };"
    )
    (bad,) = await migrated.add([NewJob(path="/bad", backend="api")])
    (good,) = await migrated.add([NewJob(path="/a", backend="api")])
    claimed = [job.id for _ in range(2) for job in await migrated.claim({"api": 1}, "r")]
    assert claimed == [good.id]
    await migrated._connection.write("REMOVE EVENT hook ON TABLE job")
    assert await migrated.claim({"api": 1}, "r") == []
    later = time.monotonic() + Quarantine.REST
    monkeypatch.setattr(migrated._quarantine, "_clock", lambda: later)
    assert [job.id for job in await migrated.claim({"api": 1}, "r")] == [bad.id]


SOUND = "path: '/a', payload: '{}'"


async def test_a_row_that_nobody_can_write_is_passed_over(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    await migrated._connection.write(
        f"CREATE job:stuck CONTENT {{ {SOUND} }}; "
        "DEFINE FIELD note ON job TYPE option<string> ASSERT record::id($this.id) != 'stuck';"
        "DEFINE FIELD OVERWRITE max_retries ON job TYPE int ASSERT $this.path != '/a';"
    )
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    for _ in range(2):
        assert [job.id for job in await migrated.claim({"api": 5}, "r")] in ([good.id], [])
    assert (await migrated.get(good.id)).status is JobStatus.PROCESSING
    assert "job:stuck" in caplog.text
