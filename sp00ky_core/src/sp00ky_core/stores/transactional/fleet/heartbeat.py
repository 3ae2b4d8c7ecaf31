"""Write a runner's sign of life, read all, and ask a runner to drain."""

from __future__ import annotations

import json
import os
import socket
from datetime import timedelta

from sp00ky_core.ports import RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.schema.definition import RUNNERS

FORGOTTEN = timedelta(days=1)
"""Since its last beat: a runner's row is removed then."""


async def beat(session: Session, runner_id: str, info: RunnerInfo) -> dict[str, RunnerBeat]:
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
    return {row["id"]: RunnerBeat(at=row["beat_at"] or BEGINNING, info=_info(row)) for row in rows}


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
            info=_info(row),
        )
        for row in rows
    ]


async def drain(session: Session, runner_id: str) -> bool:
    """Have a runner's next beat say that it is to drain; whether there is such a runner."""
    return await session.update(RUNNERS, [Is("id", "=", runner_id)], {"draining": 1}) > 0


async def remove(session: Session, runner_id: str) -> None:
    """Remove a runner's row."""
    await session.delete(RUNNERS, [Is("id", "=", runner_id)])


def _info(row: Row) -> RunnerInfo:
    said = {name: json.loads(row[name] or "{}") for name in ("documents", "in_flight", "slots")}
    return RunnerInfo(version=row["version"] or "", draining=bool(row["draining"]), **said)
