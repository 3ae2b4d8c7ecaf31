"""Calls of operators: each asks for a table that is there, and wakes runners where it must."""

from __future__ import annotations

import asyncio

import pytest

from sp00ky_core.errors import SchemaError, UnknownBackend
from sp00ky_core.events import Rescheduled
from sp00ky_core.job import NewJob
from sp00ky_core.operators.transitions import reschedule
from sp00ky_core.ports import Act
from sp00ky_store_surreal import SurrealStore


async def test_an_unknown_backend_is_refused_before_anything_is_written(migrated: SurrealStore) -> None:
    for call in (migrated.pause, migrated.resume):
        with pytest.raises(UnknownBackend):
            await call("nope")
    assert await migrated._connection.read("SELECT * FROM sp00ky_control") == [[]]


async def test_without_a_migration_they_say_so(store: SurrealStore) -> None:
    for call in (
        store.pause("api"),
        store.resume("api"),
        store.runners(),
        store.drain_runner("r"),
        store.remove_runner("r"),
        store.start_audit(Act(action="kill")),
        store.update_audit("a", count=1),
        store.audit(),
        store.errors(),
    ):
        with pytest.raises(SchemaError, match="sp00ky migrate"):
            await call


async def test_what_is_rescheduled_wakes_runners(migrated: SurrealStore) -> None:
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    signal = migrated.work_signal()
    await anext(signal)
    waiting = asyncio.ensure_future(anext(signal))
    await reschedule(migrated, [job.id], Rescheduled(delay=0))
    async with asyncio.timeout(60):
        await waiting
    await signal.aclose()
