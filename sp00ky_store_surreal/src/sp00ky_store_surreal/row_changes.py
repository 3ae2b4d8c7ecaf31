"""Change rows in one go; on refusal bisect them, so that a bad row holds up no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.stores.isolation import Quarantine, bisect
from sp00ky_store_surreal.connection.executor import Connection, Way
from sp00ky_store_surreal.errors import may_be_a_rows, reason_of
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.surql.loader import surql


@attrs.frozen(kw_only=True)
class Change:
    """Describes a change of rows.

    Attributes:
        verb: For the log, as a participle: ``released``.
        statement: The file of a statement with a place for ids, that returns something of each.
        names: Its other places, and what fills them.
        bindings: Bound by it.
        how: The way it is sent.
    """

    verb: str
    statement: str
    names: Mapping[str, str] = attrs.field(factory=dict)
    bindings: Mapping[str, Any] = attrs.field(factory=dict)
    how: Way = attrs.field(factory=Way)


@attrs.frozen(kw_only=True)
class RowChanges:
    """Changes rows of a store's tables.

    Attributes:
        connection: The store's.
        quarantine: Remembers rows that the database refuses to write.
    """

    connection: Connection
    quarantine: Quarantine

    async def selected(self, change: Change, selecting: str) -> list[Any]:
        """Change the rows that a statement selects."""
        try:
            return await self._write(change, f"({selecting})")
        except StoreError as error:
            if not may_be_a_rows(error):
                raise
        found = await self.connection.read(selecting, **change.bindings)
        return await self.named(change, found[-1])

    async def named(self, change: Change, ids: Sequence[RecordID]) -> list[Any]:
        """Change these rows; one that the database refuses is logged and left out."""

        async def write(some: Sequence[RecordID]) -> list[Any]:
            return await self._write(change, "$these", these=list(some))

        async def alone(row_id: RecordID, error: StoreError) -> list[Any]:
            self.quarantine.add(change.verb, [id_text(row_id)], reason_of(error))
            return []

        return await bisect(ids, write, alone, refuses=may_be_a_rows)

    async def _write(self, change: Change, ids: str, **these: Any) -> list[Any]:
        statement = surql(change.statement, ids=ids, **change.names)
        reply = await self.connection.write(statement, change.how, **change.bindings, **these)
        found: list[Any] = reply[-1]
        return found
