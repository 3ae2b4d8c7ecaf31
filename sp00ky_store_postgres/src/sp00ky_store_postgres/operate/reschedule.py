"""Change when pending jobs are due, or their priority; step over what the database refuses."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from sp00ky_core.ports import Reschedule
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.observe.announcements import Announcements
from sp00ky_store_postgres.operate.named_jobs import write_named

__all__ = ["Reschedules"]


@attrs.frozen
class Reschedules:
    """Changes pending jobs."""

    _executor: Executor
    _announcements: Announcements

    async def reschedule(self, job_ids: Sequence[str], change: Reschedule) -> dict[str, str | None]:
        """Change those of these jobs that are pending; their ids, with what the database said of one."""
        delay = None if change.delay is None else float(change.delay)
        given = change.run_at, delay, change.priority
        done = await write_named(self._executor, "reschedule", job_ids, *given)
        await self._announcements.pending(done)
        return done
