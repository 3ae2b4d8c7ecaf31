"""Change when pending jobs are due, or their priority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sp00ky_core.ports import Reschedule
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.row_changes import Change
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.store_part import StorePart


class Reschedules(StorePart):
    """A part of the store: pending jobs that operators move."""

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        await self._ready.ensure()
        wanted = Change(
            verb="rescheduled",
            statement="reschedule_jobs",
            bindings={
                "run_at": change.run_at,
                "delay": None if change.delay is None else duration_text(change.delay),
                "priority": change.priority,
            },
        )
        done: dict[str, str | None] = {}
        for table in await self._ready.there(self._tables):
            ids = ids_of(table, job_ids)
            if ids:
                done |= {id_text(row["id"]): None for row in await self._changes.named(wanted, ids)}
        self._claimer.forget_heads()
        self._wake(done, work=bool(done))
        return done
