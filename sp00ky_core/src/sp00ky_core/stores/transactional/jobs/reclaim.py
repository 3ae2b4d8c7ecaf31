"""List claims whose end is unknown: the lease is over, or the runner is dead."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sp00ky_core.job.job import Job
from sp00ky_core.ports import LONGEST_LEASE, JobTable, OverdueClaim
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional.connection.session import Both, Either, Is, Session
from sp00ky_core.stores.transactional.observe.filters import PROCESSING, overdue
from sp00ky_core.stores.transactional.rows import DECIDED, key_of, others_than, to_job
from sp00ky_core.stores.transactional.schema.definition import job_table


async def overdue_claims(
    session: Session, tables: Sequence[JobTable], runners: Collection[str], limit: int
) -> list[OverdueClaim]:
    """List these runners' rows whose lease is over."""
    now, found = await session.now(), list[OverdueClaim]()
    for table in tables:
        where = [PROCESSING, Is("runner_id", "in", tuple(runners)), overdue(table, now)]
        for row in await session.select(
            job_table(table.table), where, limit=limit - len(found), longest=DECIDED
        ):
            job = to_job(table, row)
            lasts = max(table.attempt_timeout(job.timeout) + table.lease_margin, _written(job))
            found.append(
                OverdueClaim(job_id=job.id, epoch=job.lease_epoch, runner_id=job.runner_id, lasts=lasts)
            )
    return found


def _written(job: Job) -> float:
    """Return how long the lease of a claim was to last: another file may say more than this process's."""
    if not job.lease_epoch or job.lease_until is None or job.updated_at is None:
        return 0.0
    seconds = (job.lease_until - job.updated_at).total_seconds()
    return round(seconds, 3) if seconds <= LONGEST_LEASE else 0.0  # a clock may be read for each of them


async def lost(
    session: Session,
    tables: Sequence[JobTable],
    dead: Collection[str],
    *,
    beating: Collection[str],
    named: Collection[OverdueClaim],
    refused: Quarantine,
    limit: int,
) -> list[Job]:
    """List rows to be reclaimed: see ``DecidingStore._lost``; but for those refused just now."""
    now, found = await session.now(), list[Job]()
    for table in tables:
        keys = [key_of(each.job_id) for each in named if table_of(each.job_id) == table.table]
        spared = Is("runner_id", "not in", tuple(beating))
        taken = Either((Is("runner_id", "=", None), spared, Is("id", "in", keys)))
        where = Either((Is("runner_id", "in", tuple(dead)), Both((overdue(table, now), taken))))
        resting = others_than(refused, "settled", table.table)
        rows = await session.select(
            job_table(table.table), [PROCESSING, where, *resting], limit=limit - len(found), longest=DECIDED
        )
        found += [to_job(table, row) for row in rows]
    return found
