"""Rows are changed in one go; one that the database refuses holds up no other."""

from __future__ import annotations

import pytest

from sp00ky_core.job import NewJob
from sp00ky_store_surreal import SurrealStore


async def refuse(store: SurrealStore, what: str) -> None:
    await store._connection.write(
        f"DEFINE EVENT hook ON TABLE job WHEN $before.path = '/bad' AND {what} THEN {{ THROW 'not so' }};"
    )


async def test_a_row_that_cant_be_released_holds_up_no_other(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = await migrated.add([NewJob(path=path, backend="api") for path in ("/a", "/bad", "/b", "/c")])
    await migrated.claim({"api": 4}, "r")
    await refuse(migrated, "$after.status = 'pending'")
    assert set(await migrated.release("r", keep=())) == {job.id for job in jobs if job.path != "/bad"}
    assert "can't be released" in caplog.text
