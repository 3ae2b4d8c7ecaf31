"""Stores on an embedded database, and rows written past them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from surrealdb import RecordID

from sp00ky_core.ids import uuid7
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.ids import id_text, id_value


class Rows:
    """Writes rows as another client might."""

    async def write(self, store: SurrealStore, table: str, fields: Mapping[str, Any]) -> str:
        """Write one, unchecked by us; its id. Raises ``RowRefused`` where the database refuses it."""
        key: Any = fields.get("id") or uuid7().hex
        if isinstance(key, str) and key.startswith(f"{table}:"):
            key = id_value(key)
        record = key if isinstance(key, RecordID) else RecordID(table, key)
        row = {name: value for name, value in fields.items() if name != "id"}
        await store._connection.write("CREATE $id CONTENT $row RETURN NONE", id=record, row=row)
        if row.get("run_at", ...) is None:
            await store._connection.write("UPDATE $id SET run_at = NONE RETURN NONE", id=record)
        return id_text(record)


@pytest.fixture
def rows() -> Rows:
    return Rows()
