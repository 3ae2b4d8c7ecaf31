"""Change when pending jobs are due, or their priority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import JobTable, Reschedule
from sp00ky_core.stores.apply import rescheduled
from sp00ky_core.stores.transactional.connection.session import Row, Session
from sp00ky_core.stores.transactional.rows import guard_of, load_rows, to_job
from sp00ky_core.stores.transactional.schema.definition import job_table


async def reschedule(
    session: Session, tables: Mapping[str, JobTable], ids: Sequence[str], change: Reschedule, *, apart: bool
) -> dict[str, str | None]:
    """Change those of these jobs that are pending; their ids, with what the database said if it refuses one.

    Args:
        session: A transaction that writes.
        tables: By name.
        ids: Of jobs.
        change: What is to be changed.
        apart: Each row in a savepoint of its own.

    Raises:
        RowRefused: A row was refused, and it wasn't ``apart``.
    """
    now, fates = await session.now(), dict[str, str | None]()
    for each, (table, row) in (await load_rows(session, tables, ids, lock=True)).items():
        if row["status"] == JobStatus.PENDING:
            try:
                async with session.savepoint() if apart else nullcontext():
                    values = _changes(to_job(table, row), change, now)
                    if await session.update(job_table(table.table), guard_of(row), values):
                        fates[each] = None
            except RowRefused as error:
                if not apart:
                    raise
                fates[each] = error.problem
    return fates


def _changes(job: Job, change: Reschedule, now: datetime) -> Row:
    after = rescheduled(job, change, now)
    names = [name for name in ("run_at", "priority") if getattr(after, name) != getattr(job, name)]
    return {"updated_at": now} | {name: getattr(after, name) for name in names}
