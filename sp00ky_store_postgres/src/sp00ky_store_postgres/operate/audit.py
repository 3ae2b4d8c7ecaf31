"""Write down what operators do, list it, and forget it after a while."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.errors import OptionInvalid, shown
from sp00ky_core.ports import AUDIT_KEPT, Act, AuditEntry
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, read_sql

__all__ = ["Audit"]


class Audit:
    """Writes, lists and deletes entries."""

    def __init__(self, executor: Executor, tables: Tables) -> None:
        self._executor = executor
        self._start, self._update, self._find, self._prune = (
            fill(read_sql(f"audit_{name}"), audit=tables.audit)
            for name in ("start", "update", "find", "prune")
        )

    async def start(self, act: Act) -> str:
        """See ``Store.start_audit``."""
        selection = encode(dict(act.selection)).decode()
        place = act.actor, act.via, act.host
        rows = await self._fetch(self._start, *place, act.action, selection, act.reason)
        return str(rows[0][0])

    async def update(self, entry_id: str, count: int, *, ended: bool) -> None:
        """See ``Store.update_audit``."""
        await self._fetch(self._update, _number("entry_id", entry_id), count, ended)

    async def find(self, since: datetime | None, limit: int, after: str | None) -> list[AuditEntry]:
        """See ``Store.audit``."""
        last = None if after is None else _number("after", after)
        return [_entry_of(row) for row in await self._fetch(self._find, since, last, limit)]

    async def prune(self) -> None:
        """Delete some of the entries that are old enough."""
        await self._fetch(self._prune, AUDIT_KEPT)

    async def _fetch(self, statement: str, *arguments: object) -> list[Row]:
        return await self._executor.fetch(Workload.REST, statement, *arguments)


def _number(option: str, entry_id: str) -> int:
    if not (entry_id.isascii() and entry_id.isdigit() and len(entry_id) <= len(str(2**62))):
        raise OptionInvalid(option=option, value=shown(entry_id), expected="the id of an audit entry")
    return int(entry_id)


def _entry_of(row: Any) -> AuditEntry:
    selection = decode(row["selection"])
    return AuditEntry(
        id=str(row["id"]),
        at=row["at"],
        actor=row["actor"],
        db_user=row["db_user"],
        via=row["via"],
        host=row["host"],
        action=row["action"],
        selection=selection if isinstance(selection, dict) else {},
        count=row["count"],
        reason=row["reason"],
        ended_at=row["ended_at"],
    )
