"""Give back claims that a runner doesn't hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.job.state_machine import Released, decide
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.apply import applied
from sp00ky_core.stores.filters import is_overdue
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional.connection.session import Is, Session
from sp00ky_core.stores.transactional.observe.filters import PROCESSING
from sp00ky_core.stores.transactional.rows import DECIDED, changes, guard_of, to_job
from sp00ky_core.stores.transactional.schema.definition import job_table


async def release(
    session: Session,
    tables: Sequence[JobTable],
    runner_id: str,
    keep: Collection[str],
    refused: Quarantine,
    *,
    apart: bool,
) -> list[str]:
    """Give back a runner's rows whose leases run, but those kept; their ids.

    Where the database refuses one, each is to be written ``apart``; the refused one is left to its lease.
    """
    now, released = await session.now(), list[str]()
    for table in tables:
        stored = job_table(table.table)
        for row in await session.select(
            stored, [PROCESSING, Is("runner_id", "=", runner_id)], longest=DECIDED, lock=True
        ):
            job = to_job(table, row)
            if job.id not in keep and not is_overdue(job, now):
                after = applied(job, decide(job, Released(), RetryPolicy()), now)
                try:
                    async with session.savepoint() if apart else nullcontext():
                        if await session.update(stored, guard_of(row), changes(job, after)):
                            released.append(job.id)
                except RowRefused as error:
                    if not apart:
                        raise
                    refused.add("released", [job.id], error.problem)
    return released
