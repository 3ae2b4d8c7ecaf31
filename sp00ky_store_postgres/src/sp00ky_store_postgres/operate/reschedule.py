"""Change when pending jobs are due, or their priority; step over what the database refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sp00ky_core.ports import Reschedule
from sp00ky_store_postgres.operate.named_jobs import write_named
from sp00ky_store_postgres.part import StorePart


class Reschedules(StorePart):
    """A part of the store: pending jobs that operators move."""

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        delay = None if change.delay is None else float(change.delay)
        given = change.run_at, delay, change.priority
        done = await write_named(self._executor, "reschedule", job_ids, *given)
        await self._announcements.pending(done)
        return done
