"""The reference store keeps every promise of the port."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from sp00ky_conformance.store.harness import StoreHarness
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.errors import CallUnsupported
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_kit import Access, Is, Session, Table
from sp00ky_store_kit.memory import MemoryStore
from sp00ky_store_kit.schema import AUDITS, RUNNERS, job_table


async def move(session: Session, table: Table, key: str, column: str, by: timedelta) -> None:
    (row,) = await session.select(table, [Is("id", "=", key)])
    await session.update(table, [Is("id", "=", key)], {column: row[column] - by})


class MemoryHarness(StoreHarness):
    """What the suite needs of an adapter."""

    def make_store(self, options: StoreOptions) -> Store:
        return MemoryStore(options)

    async def backdate_beat(self, store: Store, runner_id: str, seconds: float) -> None:
        await self._move(store, RUNNERS, runner_id, "beat_at", seconds)

    async def backdate_audit(self, store: Store, entry_id: str, seconds: float) -> None:
        await self._move(store, AUDITS, entry_id, "at", seconds)

    async def _move(self, store: Store, table: Table, key: str, column: str, seconds: float) -> None:
        assert isinstance(store, MemoryStore)
        by = timedelta(seconds=seconds)
        await store.run(partial(move, table=table, key=key, column=column, by=by), Access.WRITE)

    async def change_row(self, store: Store, job_id: str, fields: Mapping[str, Any]) -> None:
        assert isinstance(store, MemoryStore)
        table, key = job_id.split(":")
        where = [Is("id", "=", key)]
        await store.run(lambda session: session.update(job_table(table), where, fields), Access.WRITE)

    async def delete_row(self, store: Store, job_id: str) -> None:
        assert isinstance(store, MemoryStore)
        table, key = job_id.split(":")
        where = [Is("id", "=", key)]
        await store.run(lambda session: session.delete(job_table(table), where), Access.WRITE)

    def query_of(self, store: Store, table: str, what: str) -> str:
        rows = [{"path": "/a", "max_retries": 1}, {"path": "/b", "max_retries": 2}]
        if what not in ("rows", "wrong"):
            raise CallUnsupported(store=store.location, call="query", instead="rows as JSON")
        return json.dumps(rows if what == "rows" else {})


class TestMemoryStore(MemoryHarness, StoreConformance):
    """In the memory of this process."""
