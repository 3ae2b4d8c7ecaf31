"""Write and read runners' heartbeats, ask runners to drain, and keep the log of operators' acts."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sp00ky_core.ports import NO_INFO, Act, AuditEntry, RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_core.stores.decisions import BEGINNING, unknown_entry
from sp00ky_store_kit.connection.session import Is, Row, Session, Where, beyond
from sp00ky_store_kit.schema import AUDITS, RUNNERS

__all__ = ["beats", "info_of"]

FORGOTTEN = timedelta(days=1)
"""Since its last beat: a runner's row is removed then."""


async def beat(session: Session, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
    """Write a runner's sign of life, forget runners that are long gone, and return all others' beats."""
    now, where = await session.now(), [Is("id", "=", runner_id)]
    values: Row = {"beat_at": now, "version": info.version}
    values |= {name: json.dumps(dict(getattr(info, name))) for name in ("documents", "in_flight", "slots")}
    values |= {"draining": 1} if info.draining else {}  # else as it is: an operator may have asked for it
    if not await session.update(RUNNERS, where, values):
        whence = {"id": runner_id, "host": socket.gethostname(), "pid": os.getpid(), "started_at": now}
        await session.insert(RUNNERS, [{**whence, **values}])
    await session.delete(RUNNERS, [Is("beat_at", "<=", now - FORGOTTEN)])
    return await beats(session)


async def beats(session: Session) -> dict[str, RunnerBeat]:
    """Return each runner's last beat."""
    rows = await session.select(RUNNERS)
    return {row["id"]: RunnerBeat(at=row["beat_at"] or BEGINNING, info=info_of(row)) for row in rows}


async def runners(session: Session) -> list[RunnerRecord]:
    """Return what the runners' rows say, the youngest first."""
    now = await session.now()
    rows = await session.select(RUNNERS, order=("-started_at", "-id"))
    return [
        RunnerRecord(
            id=row["id"],
            host=row["host"] or "",
            pid=row["pid"] or 0,
            started_at=row["started_at"] or BEGINNING,
            beat_at=row["beat_at"] or BEGINNING,
            silent_for=max((now - (row["beat_at"] or BEGINNING)).total_seconds(), 0.0),
            info=info_of(row),
        )
        for row in rows
    ]


async def drain_runner(session: Session, runner_id: str) -> bool:
    """Have a runner's next beat say that it is to drain; whether there is such a runner."""
    return await session.update(RUNNERS, [Is("id", "=", runner_id)], {"draining": 1}) > 0


async def remove_runner(session: Session, runner_id: str) -> None:
    """Remove a runner's row."""
    await session.delete(RUNNERS, [Is("id", "=", runner_id)])


def info_of(row: Row) -> RunnerInfo:
    """Read what a runner says of itself; another client may have written anything."""
    return RunnerInfo(
        version=row["version"] or "",
        documents=_pairs_of(row["documents"], str),
        in_flight=_pairs_of(row["in_flight"], int),
        slots=_pairs_of(row["slots"], int),
        draining=bool(row["draining"]),
    )


def _pairs_of(text: str | None, kind: type[Any]) -> dict[str, Any]:
    read = json.loads(text or "{}")
    pairs = read.items() if isinstance(read, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, kind) and not isinstance(value, bool)}


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
