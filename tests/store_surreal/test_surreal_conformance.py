"""The core's suite, on both embedded engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from surrealdb import RecordID

from sp00ky_core.ids import uuid7
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.testing.store import StoreConformance
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.ids import id_text


class SurrealConformance(StoreConformance):
    url = ""

    def make_store(self, options: StoreOptions) -> Store:
        return SurrealStore(attrs.evolve(options, url=self.url))

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        assert isinstance(store, SurrealStore)
        record = RecordID(table, fields.get("id") or uuid7().hex)
        row = {name: value for name, value in fields.items() if name != "id"}
        await store._connection.write("CREATE $id CONTENT $row RETURN NONE", id=record, row=row)
        if "run_at" in row and row["run_at"] is None:
            await store._connection.write("UPDATE $id SET run_at = NONE RETURN NONE", id=record)
        return id_text(record)


class TestMemoryEngine(SurrealConformance):
    url = "mem://"


class TestFileEngine(SurrealConformance):
    url = "surrealkv://jobs.db"


class TestServer(SurrealConformance):
    @pytest.fixture(autouse=True)
    def _server(self, surreal_url: str) -> None:
        self.url = surreal_url
