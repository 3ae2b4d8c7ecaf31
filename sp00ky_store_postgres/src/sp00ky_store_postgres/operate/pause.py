"""Pause and resume backends, for every runner."""

from __future__ import annotations

from typing import Unpack

from sp00ky_core.ports import ActOptions, Pause
from sp00ky_store_postgres.part import StorePart

LONGEST_PAUSE = 3_650 * 86_400.0
"""Seconds: a pause that ends later than any job can be due."""


class Pauses(StorePart):
    """A part of the store: operators' pauses, which claims heed in their own statement."""

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """See ``Pauses.pause``."""
        table = self._executor.tables.of(backend)
        lasts = None if seconds is None else float(min(seconds, LONGEST_PAUSE))
        rows = await self._executor.query("pause", table.backend, lasts, act.get("reason"), act.get("actor"))
        await self._announcements.tables([table.table])
        return bool(rows[0][0])

    async def resume(self, backend: str) -> bool:
        """See ``Pauses.resume``."""
        table = self._executor.tables.of(backend)
        rows = await self._executor.query("resume", table.backend)
        await self._announcements.tables([table.table])
        return bool(rows)

    async def _pauses(self) -> dict[str, Pause]:
        """Return the pauses that hold now, by backend."""
        rows = await self._executor.query("pauses")
        return {row[0]: Pause(until=row[1], since=row[2], reason=row[3], actor=row[4]) for row in rows}
