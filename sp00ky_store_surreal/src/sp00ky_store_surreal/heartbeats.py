"""Write a runner's heartbeat, and read those of all runners."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from surrealdb import RecordID

from sp00ky_core.ports import RunnerBeat, RunnerInfo
from sp00ky_store_surreal.connection.statements import Connection, Lane, Way
from sp00ky_store_surreal.errors import unwritable
from sp00ky_store_surreal.surql.loader import surql

BEAT = Way(lane=Lane.BEAT, alone=False)  # a row that no other statement writes, so it doesn't wait its turn


async def beat(connection: Connection, runner_id: str, info: RunnerInfo) -> Mapping[str, RunnerBeat]:
    """See ``Store.beat``. Raises ``SchemaError`` where the user may not write."""
    reply = await connection.write(
        surql("runner_beat"),
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
    written, beats_of_all = reply[-2:]
    if not written:  # a user whose rights were taken hears of no error
        raise unwritable(connection.target.location, "sp00ky_runner")
    return _beats_of(beats_of_all)


async def beats(connection: Connection) -> Mapping[str, RunnerBeat]:
    """Read each runner's last beat."""
    return _beats_of((await connection.read(surql("runner_beats")))[-1])


def _beats_of(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, RunnerBeat]:
    return {str(row["id"].id): RunnerBeat(at=row["beat_at"], info=_info_of(row)) for row in rows}


def _info_of(row: Mapping[str, Any]) -> RunnerInfo:
    told = ("version", "documents", "in_flight", "slots", "draining")
    return RunnerInfo(**{name: row[name] for name in told if row.get(name)})
