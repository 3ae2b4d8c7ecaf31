"""Pause and resume backends, for every runner."""

from __future__ import annotations

from sp00ky_core.ports import Pause
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, read_sql

__all__ = ["Pauses"]

LONGEST_PAUSE = 3_650 * 86_400.0
"""Seconds: a pause that ends later than any job can be due."""


class Pauses:
    """Writes and reads pauses; claims heed them in their own statement."""

    def __init__(self, executor: Executor, tables: Tables) -> None:
        self._executor = executor
        self._tables = tables
        parts = {"control": tables.control, "paused": read_sql("paused")}
        self._pause, self._resume, self._all = (
            fill(read_sql(name), **parts) for name in ("pause", "resume", "pauses")
        )

    async def pause(self, backend: str, seconds: float | None, reason: str | None, actor: str | None) -> bool:
        """See ``Store.pause``."""
        name = self._tables.of(backend).backend
        lasts = None if seconds is None else float(min(seconds, LONGEST_PAUSE))
        rows = await self._executor.fetch(Workload.REST, self._pause, name, lasts, reason, actor)
        return bool(rows[0][0])

    async def resume(self, backend: str) -> bool:
        """See ``Store.resume``."""
        name = self._tables.of(backend).backend
        return bool(await self._executor.fetch(Workload.REST, self._resume, name))

    async def all(self) -> dict[str, Pause]:
        """Return the pauses that hold now, by backend."""
        rows = await self._executor.fetch(Workload.REST, self._all)
        return {row[0]: Pause(until=row[1], since=row[2], reason=row[3], actor=row[4]) for row in rows}
