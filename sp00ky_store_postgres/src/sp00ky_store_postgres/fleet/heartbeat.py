"""Write a runner's heartbeat, and read those of the others."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.ports import RunnerBeat, RunnerInfo
from sp00ky_core.stores.transactional.fleet import info_of
from sp00ky_store_postgres.connection.executor import Executor


async def beat(executor: Executor, runner_id: str, info: RunnerInfo) -> Mapping[str, RunnerBeat]:
    """Write a sign of life; return everybody's last one."""
    place = socket.gethostname(), os.getpid()
    said = [encode(dict(each)).decode() for each in (info.documents, info.in_flight, info.slots)]
    statement = executor.tables.statement("beat")
    rows = await executor.beat(statement, runner_id, *place, info.version, *said, info.draining)
    return {row["id"]: RunnerBeat(at=row["beat_at"], info=info_of(row)) for row in rows}
