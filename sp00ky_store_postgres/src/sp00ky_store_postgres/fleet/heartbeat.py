"""Write a runner's heartbeat, read those of the others, and ask one to drain."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.ports import NO_INFO, RunnerBeat, RunnerInfo
from sp00ky_core.stores.transactional.fleet.heartbeat import info_of
from sp00ky_store_postgres.part import StorePart


class Heartbeats(StorePart):
    """A part of the store: what runners say of themselves."""

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        place = socket.gethostname(), os.getpid()
        said = [encode(dict(each)).decode() for each in (info.documents, info.in_flight, info.slots)]
        statement = self._executor.tables.statement("beat")
        rows = await self._executor.beat(statement, runner_id, *place, info.version, *said, info.draining)
        return {row["id"]: RunnerBeat(at=row["beat_at"], info=info_of(row)) for row in rows}
