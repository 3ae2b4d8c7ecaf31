"""Pause a backend, resume it, and read which are paused."""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Unpack

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import ActOptions, Pause
from sp00ky_core.stores.rows import instant_of
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.schema.definition import CONTROLS

LONGEST_PAUSE = 3_650 * 86_400.0
"""Seconds: a pause that ends later than any job can be due."""

NO_PAUSE: Row = {"paused": 0, **dict.fromkeys(("paused_until", "reason", "actor", "since"))}


async def pause(session: Session, backend: str, *, seconds: float | None, **act: Unpack[ActOptions]) -> bool:
    """Pause a backend; whether it wasn't paused before."""
    row = await _locked(session, backend)
    if row is None:
        await _insert(session, backend)
        row = await _locked(session, backend) or {}
    now = await session.now()
    before = pause_of(row, now)
    values: Row = {
        **NO_PAUSE,
        **act,
        "paused": 1,
        "paused_until": None if seconds is None else now + timedelta(seconds=min(seconds, LONGEST_PAUSE)),
        "since": now if before is None else before.since,
    }
    await session.update(CONTROLS, [Is("backend", "=", backend)], values)
    return before is None


async def resume(session: Session, backend: str) -> bool:
    """End a pause; whether there was one."""
    row = await _locked(session, backend)
    if row is None or pause_of(row, await session.now()) is None:
        return False
    await session.update(CONTROLS, [Is("backend", "=", backend)], NO_PAUSE)
    return True


async def read_controls(session: Session, backends: Collection[str]) -> dict[str, Row]:
    """Read the rows of backends that have been paused or limited, by backend."""
    rows = await session.select(CONTROLS, [Is("backend", "in", tuple(backends))])
    return {row["backend"]: row for row in rows}


def pause_of(row: Row, now: datetime) -> Pause | None:
    """Return the pause that holds now."""
    until = instant_of(row.get("paused_until"))
    if not row.get("paused") or (until is not None and until <= now):
        return None
    return Pause(until=until, since=instant_of(row["since"]), reason=row["reason"], actor=row["actor"])


def seconds_left(paused: Pause, now: datetime) -> float:
    """Return how long a pause lasts yet; infinity: until it is resumed."""
    return math.inf if paused.until is None else (paused.until - now).total_seconds()


async def _locked(session: Session, backend: str) -> Row | None:
    """Read a backend's row once no other transaction writes it; none can until the end of this one."""
    await session.update(CONTROLS, [Is("backend", "=", backend)], {"backend": backend})
    return (await read_controls(session, [backend])).get(backend)


async def _insert(session: Session, backend: str) -> None:
    """Make a backend's row, unless another transaction has."""
    with suppress(RowRefused):
        async with session.savepoint():
            await session.insert(CONTROLS, [{"backend": backend}])
