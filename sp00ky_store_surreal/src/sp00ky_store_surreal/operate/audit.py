"""Keep a log of what operators do: an entry before it is done, its count while it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.ports import AUDIT_KEPT, Act, AuditEntry
from sp00ky_core.stores import decode, encode, new_key, unknown_entry
from sp00ky_store_surreal.connection.executor import ONCE, Connection
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import surql


class Audits(StorePart):
    """A part of the store: the log of what operators do."""

    async def start_audit(self, act: Act) -> str:
        """See ``Audit.start_audit``."""
        await self._ready.ensure()
        key = new_key()
        await self._connection.write(
            surql("audit_start"),
            ONCE,
            id=RecordID("sp00ky_audit", key),
            action=act.action,
            selection=encode(dict(act.selection)).decode(),
            actor=act.actor,
            via=act.via,
            host=act.host,
            reason=act.reason,
        )
        return key

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """See ``Audit.update_audit``."""
        await self._ready.ensure()
        row = RecordID("sp00ky_audit", entry_id)
        await self._connection.write(surql("audit_update"), id=row, count=count, ended=ended)

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """See ``Audit.audit``."""
        await self._ready.ensure()
        last = None if after is None else RecordID("sp00ky_audit", after)
        bindings = {"since": since, "limit": min(limit, 2**31), "after": last}
        found, *_, rows = await self._connection.read(surql("audit_find"), **bindings)
        if after is not None and not found:
            raise unknown_entry(after)
        return [_entry_of(row) for row in rows]


async def prune_audit(connection: Connection) -> None:
    """Delete entries that are older than any is kept."""
    await connection.write(surql("retention_audit"), kept=duration_text(AUDIT_KEPT))


def _entry_of(row: Mapping[str, Any]) -> AuditEntry:
    known = {name: row[name] for name in attrs.fields_dict(AuditEntry) if name in row}  # others are newer
    return AuditEntry(**{**known, "id": str(row["id"].id), "selection": decode(row["selection"])})
