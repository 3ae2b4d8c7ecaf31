"""Write down what operators do, and list it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.ports import Act, AuditEntry
from sp00ky_core.stores.filters import unknown_entry
from sp00ky_store_postgres.connection.executor import Executor


async def start(executor: Executor, act: Act) -> str:
    """Insert the entry of an act that is about to be done; its id."""
    selection = encode(dict(act.selection)).decode()
    place = act.actor, act.via, act.host
    rows = await executor.query("audit_start", *place, act.action, selection, act.reason)
    return str(rows[0][0])


async def update(executor: Executor, entry_id: str, count: int, ended: bool) -> None:
    """Write how far an act has come."""
    await executor.query("audit_update", _number(entry_id), count, ended)


async def entries(
    executor: Executor, since: datetime | None, limit: int, after: str | None
) -> list[AuditEntry]:
    """Return entries, newest first, those of the page after an entry."""
    last = None if after is None else _number(after)
    if after is not None and not await executor.query("audit_entry", last):
        raise unknown_entry(after)
    return [_entry_of(row) for row in await executor.query("audit_find", since, last, limit)]


def _number(entry_id: str) -> int:
    if not (entry_id.isascii() and entry_id.isdigit() and len(entry_id) < len(str(2**63))):
        raise unknown_entry(entry_id)
    return int(entry_id)


def _entry_of(row: Any) -> AuditEntry:
    fields = dict(row)
    selection = decode(fields.pop("selection"))
    return AuditEntry(**fields, selection=selection if isinstance(selection, dict) else {})
