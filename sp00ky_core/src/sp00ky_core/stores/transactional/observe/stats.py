"""Put a queue into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from sp00ky_core.breaker import Breaker
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import BackendStats, BreakerStats, JobTable
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session, Where
from sp00ky_core.stores.transactional.fleet.breaker import read_breakers
from sp00ky_core.stores.transactional.jobs.due import priority_ranges
from sp00ky_core.stores.transactional.observe.filters import (
    ORDERED,
    PENDING,
    PROCESSING,
    UNORDERED,
    due,
    overdue,
)
from sp00ky_core.stores.transactional.operate.pause import pause_of, read_controls
from sp00ky_core.stores.transactional.schema.definition import job_table

PENDING_WITH_KEY = (*ORDERED, Is("status", "!=", JobStatus.PROCESSING))


async def stats(
    session: Session, tables: Sequence[JobTable], *, limit: int | None = None
) -> dict[str, BackendStats]:
    """Return each backend's numbers, each of them up to ``limit``."""
    now = await session.now()
    backends = [table.backend for table in tables]
    breakers = await read_breakers(session, backends, now)
    controls = await read_controls(session, backends)
    return {
        table.backend: attrs.evolve(
            await _stats(session, table, now, limit),
            breaker=_breaker(breakers.get(table.backend, Breaker())),
            paused=pause_of(controls.get(table.backend, {}), now),
        )
        for table in tables
    }


def _breaker(breaker: Breaker) -> BreakerStats:
    return BreakerStats(state=breaker.state, paused_for_s=breaker.paused_for)


async def _stats(session: Session, table: JobTable, now: datetime, limit: int | None) -> BackendStats:
    async def count(*where: Where) -> int:
        stored = job_table(table.table)
        if limit is None:
            return await session.count(stored, where)
        return len(await session.select(stored, where, limit=limit, columns=["id"]))

    counts = {each: await count(Is("status", "=", each)) for each in JobStatus}
    waiting = [[*UNORDERED, each] for ranges in await priority_ranges(session, table) for each in ranges]
    waiting.append([*PENDING_WITH_KEY])
    dues = [await count(*of, each) for of in waiting for each in due(now)]
    deferred: list[Where] = [PENDING, Is("deferred_since", "!=", None)]
    return BackendStats(
        pending=counts[JobStatus.PENDING],
        processing=counts[JobStatus.PROCESSING],
        success=counts[JobStatus.SUCCESS],
        failed=counts[JobStatus.FAILED],
        due=sum(dues) if limit is None else min(sum(dues), limit),
        stalled=await count(PROCESSING, overdue(table, now)),
        deferred=await count(*deferred),
        oldest_deferred_s=await _oldest(session, table, deferred, "deferred_since", now),
        oldest_due_s=await _oldest_due(session, table, waiting, now),
    )


async def _oldest_due(
    session: Session, table: JobTable, waiting: Sequence[Sequence[Where]], now: datetime
) -> float | None:
    missing, past = due(now)
    ages = [
        await _oldest(session, table, [*of, condition], column, now)
        for of in waiting
        for condition, column in ((missing, "created_at"), (past, "run_at"))
    ]
    return max((age for age in ages if age is not None), default=None)


async def _oldest(
    session: Session, table: JobTable, where: Sequence[Where], column: str, now: datetime
) -> float | None:
    """Return the seconds since the earliest instant in a column; 0 where the row has none."""
    rows: list[Row] = await session.select(
        job_table(table.table), where, order=(column,), limit=1, columns=[column]
    )
    return max((now - (rows[0][column] or now)).total_seconds(), 0.0) if rows else None
