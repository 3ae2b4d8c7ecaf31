"""Write a runner's heartbeat, read those of the others, and ask one to drain."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.ports import RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, read_sql

__all__ = ["Heartbeats"]


class Heartbeats:
    """Writes and reads the rows of runners."""

    def __init__(self, executor: Executor, tables: Tables) -> None:
        self._executor = executor
        parts = {"runner": tables.runner, "columns": read_sql("runner_columns")}
        self._beat, self._beats, self._all, self._drain, self._remove = (
            fill(read_sql(name), **parts)
            for name in ("beat", "beats", "runners", "runner_drain", "runner_remove")
        )

    async def beat(self, runner_id: str, info: RunnerInfo) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        place = socket.gethostname(), os.getpid()
        said = [encode(dict(each)).decode() for each in (info.documents, info.in_flight, info.slots)]
        rows = await self._executor.beat(self._beat, runner_id, *place, info.version, *said, info.draining)
        return {row[0]: RunnerBeat(at=row[1], info=_info_of(row)) for row in rows}

    async def all(self) -> Mapping[str, datetime]:
        """Return every runner's last heartbeat."""
        return dict(map(tuple, await self._executor.fetch(Workload.REST, self._beats)))

    async def runners(self) -> list[RunnerRecord]:
        """See ``Store.runners``."""
        return [_record_of(row) for row in await self._executor.fetch(Workload.REST, self._all)]

    async def drain(self, runner_id: str) -> bool:
        """See ``Store.drain_runner``."""
        return bool(await self._executor.fetch(Workload.REST, self._drain, runner_id))

    async def remove(self, runner_id: str) -> None:
        """See ``Store.remove_runner``."""
        await self._executor.fetch(Workload.REST, self._remove, runner_id)


def _record_of(row: Any) -> RunnerRecord:
    return RunnerRecord(
        id=row["id"],
        host=row["host"],
        pid=row["pid"],
        started_at=row["started_at"],
        beat_at=row["beat_at"],
        silent_for=row["silent_for"],
        info=_info_of(row),
    )


def _info_of(row: Any) -> RunnerInfo:
    """Read what a runner says of itself; anything may have written the row."""
    return RunnerInfo(
        version=str(row["version"] or ""),
        documents=_pairs_of(row["documents"], str),
        in_flight=_pairs_of(row["in_flight"], int),
        slots=_pairs_of(row["slots"], int),
        draining=row["draining"],
    )


def _pairs_of(text: str | None, kind: type[Any]) -> dict[str, Any]:
    try:
        read = decode(text or "{}")
    except ValueError:
        read = {}
    pairs = read.items() if isinstance(read, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, kind) and not isinstance(value, bool)}
