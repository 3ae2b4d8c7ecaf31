"""Write a runner's heartbeat, read those of the others, and ask one to drain."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.ports import NO_INFO, RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_store_postgres.part import StorePart


class Heartbeats(StorePart):
    """A part of the store: what runners say of themselves."""

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        place = socket.gethostname(), os.getpid()
        said = [encode(dict(each)).decode() for each in (info.documents, info.in_flight, info.slots)]
        statement = self._executor.tables.statement("beat")
        rows = await self._executor.beat(statement, runner_id, *place, info.version, *said, info.draining)
        return {row["id"]: RunnerBeat(at=row["beat_at"], info=_info_of(row)) for row in rows}

    async def _beats(self) -> Mapping[str, datetime]:
        return dict(map(tuple, await self._executor.query("beats")))

    async def runners(self) -> list[RunnerRecord]:
        """See ``Runners.runners``."""
        return [_record_of(row) for row in await self._executor.query("runners")]

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Runners.drain_runner``."""
        return bool(await self._executor.query("runner_drain", runner_id))

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Runners.remove_runner``."""
        await self._executor.query("runner_remove", runner_id)


def _record_of(row: Any) -> RunnerRecord:
    names = ("id", "host", "pid", "started_at", "beat_at", "silent_for")
    return RunnerRecord(**{name: row[name] for name in names}, info=_info_of(row))


def _info_of(row: Any) -> RunnerInfo:
    """Read what a runner says of itself; anything may have written the row."""
    return RunnerInfo(
        version=row["version"],
        documents=_pairs_of(row["documents"], str),
        in_flight=_pairs_of(row["in_flight"], int),
        slots=_pairs_of(row["slots"], int),
        draining=row["draining"],
    )


def _pairs_of(text: str, kind: type[Any]) -> dict[str, Any]:
    read = decode(text)
    pairs = read.items() if isinstance(read, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, kind) and not isinstance(value, bool)}
