"""Write runners' heartbeats, read them, and ask runners to drain."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sp00ky_core.ports import NO_INFO, RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.schema import RUNNERS

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
