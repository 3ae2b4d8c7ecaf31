"""Keep the log of what operators have done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sp00ky_core.ports import Act, AuditEntry
from sp00ky_core.stores.filters import BEGINNING, unknown_entry
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.transactional.connection.session import Both, Either, Is, Row, Session, Where
from sp00ky_core.stores.transactional.schema.definition import AUDITS


async def start(session: Session, act: Act) -> str:
    """Insert the entry of an act that is about to be done; its id."""
    row: Row = {name: getattr(act, name) for name in ("action", "actor", "via", "host", "reason")}
    row |= {"id": new_key(), "at": await session.now(), "selection": json.dumps(dict(act.selection))}
    row["db_user"] = await session.user()
    await session.insert(AUDITS, [row])
    return str(row["id"])


async def update(session: Session, entry_id: str, *, count: int, ended: bool) -> None:
    """Write how far an act has come."""
    values: Row = {"count": count} | ({"ended_at": await session.now()} if ended else {})
    await session.update(AUDITS, [Is("id", "=", entry_id)], values)


async def entries(
    session: Session, *, since: datetime | None, limit: int, after: str | None
) -> list[AuditEntry]:
    """Return entries, newest first, those of the page after an entry."""
    where: list[Where] = [] if since is None else [Is("at", ">=", since)]
    if after is not None:
        last = await session.select(AUDITS, [Is("id", "=", after)])
        if not last:
            raise unknown_entry(after)
        where.append(_older_than(last[0]))
    rows = await session.select(AUDITS, where, order=("-at", "-id"), limit=limit)
    return [_entry(row) for row in rows]


def _older_than(row: Row) -> Where:
    same_age: Sequence[Where] = (Is("at", "=", row["at"]), Is("id", "<", row["id"]))
    return Either((Is("at", "<", row["at"]), Both(tuple(same_age))))


def _entry(row: Row) -> AuditEntry:
    """Read an entry; another client may have written one without some of its columns."""
    known = {name: value for name, value in row.items() if value is not None}
    selection = json.loads(known.pop("selection", "{}"))
    return AuditEntry(**{"at": BEGINNING, "action": "", "via": "", **known}, selection=selection)
