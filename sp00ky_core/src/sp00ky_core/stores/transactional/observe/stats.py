"""Put a queue into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core.job.job import JobStatus
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

__all__ = ["gate_states"]

PENDING_WITH_KEY = (*ORDERED, Is("status", "!=", JobStatus.PROCESSING))


async def stats(
    session: Session, tables: Sequence[JobTable], *, limit: int | None = None
) -> dict[str, BackendStats]:
    """Return each backend's numbers, each of them up to ``limit``."""
    now, states = await session.now(), await gate_states(session, tables)
    return {
        table.backend: attrs.evolve(await _stats(session, table, now, limit), **states[table.backend])
        for table in tables
    }


async def gate_states(session: Session, tables: Sequence[JobTable]) -> dict[str, dict[str, Any]]:
    """Return each backend's breaker and pause, as its numbers have them."""
    now, backends = await session.now(), [table.backend for table in tables]
    breakers, controls = await read_breakers(session, tables, now), await read_controls(session, backends)
    return {
        table.backend: {
            "breaker": BreakerStats.of(table, breakers.get(table.backend)),
            "paused": pause_of(controls.get(table.backend, {}), now),
        }
        for table in tables
    }


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
