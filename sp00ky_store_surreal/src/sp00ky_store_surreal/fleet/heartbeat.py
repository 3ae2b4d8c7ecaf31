"""Write a runner's heartbeat; read those of all runners, ask one to drain, remove one that stops."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from surrealdb import RecordID

from sp00ky_core.ports import RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_store_surreal.connection.executor import Connection, Lane, Way
from sp00ky_store_surreal.errors import unwritable
from sp00ky_store_surreal.rows import seconds_of
from sp00ky_store_surreal.surql.loader import surql

__all__ = ["beat", "beats", "drain", "remove", "runners"]

BEAT = Way(lane=Lane.BEAT, alone=False)  # a row that no other statement writes, so it doesn't wait its turn


async def beat(connection: Connection, runner_id: str, info: RunnerInfo) -> Mapping[str, RunnerBeat]:
    """Beat; return each runner's last beat. Raises ``SchemaError`` where the user may not write."""
    reply = await connection.write(
        surql("beat"),
        BEAT,
        id=RecordID("sp00ky_runner", runner_id),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=info.version,
        documents=dict(info.documents),
        in_flight=dict(info.in_flight),
        slots=dict(info.slots),
        draining=info.draining,
    )
    found = _beats_of(reply[-1])
    if runner_id not in found:
        raise unwritable(connection.target.location, "sp00ky_runner")
    return found


async def beats(connection: Connection) -> Mapping[str, RunnerBeat]:
    """Read each runner's last beat."""
    return _beats_of((await connection.read(surql("beats")))[-1])


async def runners(connection: Connection) -> list[RunnerRecord]:
    """List the runners whose rows are there, the youngest first."""
    *_, rows = await connection.read(surql("runners"))
    return [
        RunnerRecord(
            id=str(row["id"].id),
            host=row["host"],
            pid=row["pid"],
            started_at=row["started_at"],
            beat_at=row["beat_at"],
            silent_for=seconds_of(row["silent_for"]),
            info=_info_of(row),
        )
        for row in rows
    ]


async def drain(connection: Connection, runner_id: str) -> bool:
    """Ask a runner to drain; return whether it is there."""
    reply = await connection.write(surql("drain"), id=RecordID("sp00ky_runner", runner_id))
    return bool(reply[-1])


async def remove(connection: Connection, runner_id: str) -> None:
    """Remove a runner's row."""
    await connection.write(surql("remove_runner"), id=RecordID("sp00ky_runner", runner_id))


def _beats_of(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, RunnerBeat]:
    return {str(row["id"].id): RunnerBeat(at=row["beat_at"], info=_info_of(row)) for row in rows}


def _info_of(row: Mapping[str, Any]) -> RunnerInfo:
    return RunnerInfo(
        version=row.get("version") or "",
        documents=row.get("documents") or {},
        in_flight=row.get("in_flight") or {},
        slots=row.get("slots") or {},
        draining=bool(row.get("draining")),
    )
