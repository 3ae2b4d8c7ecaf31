"""Write a runner's heartbeat; read those of all runners, ask one to drain, remove one that stops."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from surrealdb import RecordID

from sp00ky_core.ports import NO_INFO, RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_store_surreal.connection.executor import Connection, Lane, Way
from sp00ky_store_surreal.errors import unwritable
from sp00ky_store_surreal.jobs.claim_window import Peers
from sp00ky_store_surreal.rows import seconds_of
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import surql

BEAT = Way(lane=Lane.BEAT, alone=False)  # a row that no other statement writes, so it doesn't wait its turn


class Heartbeats(StorePart):
    """A part of the store: what runners say of themselves."""

    _peers: Peers

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``. Raises ``SchemaError`` where the user may not write."""
        await self._ready.ensure()
        reply = await self._connection.write(
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
        found = _beats_of(reply[-1])
        if runner_id not in found:
            raise unwritable(self._connection.target.location, "sp00ky_runner")
        self._peers.seen(runner_id, found)
        return found

    async def runners(self) -> list[RunnerRecord]:
        """See ``Runners.runners``."""
        await self._ready.ensure()
        *_, rows = await self._connection.read(surql("runner_list"))
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

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Runners.drain_runner``."""
        await self._ready.ensure()
        reply = await self._connection.write(surql("runner_drain"), id=RecordID("sp00ky_runner", runner_id))
        return bool(reply[-1])

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Runners.remove_runner``."""
        await self._ready.ensure()
        await self._connection.write(surql("runner_remove"), id=RecordID("sp00ky_runner", runner_id))

    async def _beats(self) -> Mapping[str, datetime]:
        return {each: beat.at for each, beat in (await beats(self._connection)).items()}


async def beats(connection: Connection) -> Mapping[str, RunnerBeat]:
    """Read each runner's last beat."""
    return _beats_of((await connection.read(surql("runner_beats")))[-1])


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
