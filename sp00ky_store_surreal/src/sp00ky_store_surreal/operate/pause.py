"""Pause a backend and resume it; read which are paused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from surrealdb import RecordID

from sp00ky_core.ports import ActOptions, Pause
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import surql


class Pauses(StorePart):
    """A part of the store: operators' pauses."""

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """See ``Pauses.pause``."""
        self._of_backend(backend)
        await self._ready.ensure()
        reply = await self._connection.write(
            surql("pause_begin"),
            control=RecordID("sp00ky_control", backend),
            backend=backend,
            lasts=None if seconds is None else duration_text(seconds),
            reason=act.get("reason"),
            actor=act.get("actor"),
        )
        self._wake([], work=True)
        return not reply[-1]

    async def resume(self, backend: str) -> bool:
        """See ``Pauses.resume``."""
        self._of_backend(backend)
        await self._ready.ensure()
        reply = await self._connection.write(surql("pause_end"), control=RecordID("sp00ky_control", backend))
        self._wake([], work=True)
        return bool(reply[-1])


def pause_of(row: Mapping[str, Any]) -> Pause:
    """Read a pause from a row of ``sp00ky_control``."""
    return Pause(
        until=row.get("paused_until"),
        since=row.get("since"),
        reason=row.get("reason"),
        actor=row.get("actor"),
    )
