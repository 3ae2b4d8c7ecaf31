"""Rows as SQLite keeps them, whose types are a client's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.store_sqlite.conftest import migrated

from sp00ky_core.job import NewJob
from sp00ky_core.ports import StoreOptions
from sp00ky_store_sqlite.session import EPOCH, from_microseconds, to_microseconds


async def test_bytes_that_are_no_text_cost_no_other_row(options: StoreOptions, connection: Any) -> None:
    store = await migrated(options)
    connection.execute("INSERT INTO job (path, payload) VALUES (CAST(X'2fff' AS TEXT), '{}')")
    connection.execute("INSERT INTO job (path, payload, runner_id) VALUES ('/b', '{}', CAST(X'ff' AS TEXT))")
    (good,) = await store.add([NewJob(backend="api", path="/a", payload={})])
    claimed = {job.path: job for job in await store.claim({"api": 5}, "runner")}
    assert claimed["/a"].id == good.id
    assert "surrogate" in (claimed["/\udcff"].defect or "")
    assert "/b" not in claimed  # it can't be named in a guard: it is left out, and logged
    assert (await store.stats())["api"].pending == 1
    await store.close()


@pytest.mark.parametrize(
    "instant", [datetime(1, 1, 1, tzinfo=UTC), EPOCH, datetime(9999, 12, 31, tzinfo=UTC)]
)
def test_instants_are_whole_microseconds(instant: datetime) -> None:
    assert from_microseconds(to_microseconds(instant)) == instant


@pytest.mark.parametrize("value", [None, "yesterday", 2**62])
def test_what_is_no_instant_stays_as_it_is(value: Any) -> None:
    assert from_microseconds(value) == value
