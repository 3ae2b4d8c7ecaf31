"""Pause a backend and resume it; read which are paused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surrealdb import RecordID

from sp00ky_core.ports import Pause
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.surql.loader import surql

__all__ = ["pause", "pause_of", "resume"]


async def pause(
    connection: Connection,
    backend: str,
    *,
    seconds: float | None,
    reason: str | None,
    actor: str | None,
) -> bool:
    """Pause a backend; return whether it wasn't paused before."""
    reply = await connection.write(
        surql("pause"),
        control=RecordID("sp00ky_control", backend),
        backend=backend,
        lasts=None if seconds is None else duration_text(seconds),
        reason=reason,
        actor=actor,
    )
    return not reply[-1]


async def resume(connection: Connection, backend: str) -> bool:
    """End a pause; return whether there was one."""
    reply = await connection.write(surql("resume"), control=RecordID("sp00ky_control", backend))
    return bool(reply[-1])


def pause_of(row: Mapping[str, Any]) -> Pause:
    """Read a pause from a row of ``sp00ky_control``."""
    return Pause(
        until=row.get("paused_until"),
        since=row.get("since"),
        reason=row.get("reason"),
        actor=row.get("actor"),
    )
