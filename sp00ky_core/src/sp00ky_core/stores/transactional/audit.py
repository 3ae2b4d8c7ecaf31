"""Keep the log of operators' acts."""

from __future__ import annotations

import json
from datetime import datetime

from sp00ky_core.ports import Act, AuditEntry
from sp00ky_core.stores.filters import BEGINNING, unknown_entry
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session, Where, beyond
from sp00ky_core.stores.transactional.schema import AUDITS


async def start_audit(session: Session, act: Act) -> str:
    """Insert the entry of an act that is about to be done; its id."""
    row: Row = {name: getattr(act, name) for name in ("action", "actor", "via", "host", "reason")}
    row |= {"at": await session.now(), "selection": json.dumps(dict(act.selection))}
    if (user := await session.user()) is not None:
        row["db_user"] = user
    return await session.insert_keyed(AUDITS, row)


async def update_audit(session: Session, entry_id: str, *, count: int, ended: bool = False) -> None:
    """Write how far an act has come."""
    values: Row = {"count": count} | ({"ended_at": await session.now()} if ended else {})
    await session.update(AUDITS, [Is("id", "=", entry_id)], values)


async def audit_entries(
    session: Session, *, since: datetime | None = None, limit: int = 100, after: str | None = None
) -> list[AuditEntry]:
    """Return entries, newest first, those of the page after an entry."""
    where: list[Where] = [] if since is None else [Is("at", ">=", since)]
    order = ("-at", "-id")
    if after is not None:
        last = await session.select(AUDITS, [Is("id", "=", after)])
        if not last:
            raise unknown_entry(after)
        where += beyond(last[0], order)
    rows = await session.select(AUDITS, where, order=order, limit=limit)
    return [_entry(row) for row in rows]


def _entry(row: Row) -> AuditEntry:
    """Read an entry; another client may have written one without some of its columns."""
    known = {name: value for name, value in row.items() if value is not None}
    selection = json.loads(known.pop("selection", "{}"))
    return AuditEntry(**{"at": BEGINNING, "action": "", "via": "", **known}, selection=selection)
