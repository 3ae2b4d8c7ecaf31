"""Change when pending jobs are due, or their priority."""

from __future__ import annotations

from collections.abc import Collection

from sp00ky_core.ports import Reschedule
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.row_changes import Change, RowChanges
from sp00ky_store_surreal.rows import duration_text

__all__ = ["reschedule"]


async def reschedule(changes: RowChanges, job_ids: Collection[str], wanted: Reschedule) -> set[str]:
    """Change those of these jobs that are pending; return their ids."""
    change = Change(
        verb="rescheduled",
        statement="reschedule",
        bindings={
            "run_at": wanted.run_at,
            "delay": None if wanted.delay is None else duration_text(wanted.delay),
            "priority": wanted.priority,
        },
    )
    done: set[str] = set()
    for table in await changes.ready.there(changes.tables):
        ids = ids_of(table, job_ids)
        if ids:
            done |= {id_text(row["id"]) for row in await changes.named(change, ids)}
    return done
