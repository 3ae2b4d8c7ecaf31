"""Queues in numbers: ``stats`` and ``next_due``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sp00ky_core.ports import BackendStats, BreakerStats, JobTable
from sp00ky_store_surreal.breakers import breaker_of
from sp00ky_store_surreal.claim_parts import first_pending
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.mapping import seconds_of
from sp00ky_store_surreal.queries import quoted, surql

__all__ = ["stats", "next_due"]

_STATEMENTS = 8  # of stats.surql


async def stats(connection: Connection, tables: Iterable[JobTable]) -> Mapping[str, BackendStats]:
    """Each backend's numbers, in one round trip."""
    wanted = list(tables)
    statement = surql("now") + "".join(
        surql("stats", n=str(number), **_names(connection, each)) for number, each in enumerate(wanted)
    )
    names = {f"backend{number}": each.backend for number, each in enumerate(wanted)}
    _, *reply = await connection.read(statement, **names)
    return {
        each.backend: _stats(reply[number * _STATEMENTS : (number + 1) * _STATEMENTS])
        for number, each in enumerate(wanted)
    }


def _stats(reply: list[Any]) -> BackendStats:
    counts = [_count(each) for each in reply[:6]]
    oldest, breakers = reply[6], reply[7]
    return BackendStats(
        pending=counts[0],
        due=counts[0] - counts[1],  # what is delayed is counted: a backlog is mostly due
        processing=counts[2],
        stalled=counts[3],
        success=counts[4],
        failed=counts[5],
        oldest_due_s=seconds_of(oldest[0]) if oldest else None,
        breaker=_breaker(breakers[0]) if breakers else BreakerStats(),
    )


def _count(found: Any) -> int:
    """Of a row or none; embedded 3.2 gives an IF's only row without the list."""
    row = found[0] if isinstance(found, list) and found else found
    return int(row["count"]) if row else 0


def _breaker(row: Mapping[str, Any]) -> BreakerStats:
    breaker = breaker_of(row)
    return BreakerStats(state=breaker.state.value, paused_for_s=breaker.paused_for)


async def next_due(connection: Connection, tables: Iterable[JobTable]) -> float | None:
    """Seconds until the first pending job is due; None: there is none."""
    each_first = "".join(surql("next_due", **_names(connection, each)) for each in tables)
    if not each_first:
        return None
    _, *reply = await connection.read(surql("now") + each_first)
    found = [seconds_of(rows[0]) for rows in reply if rows]
    return min(found, default=None)


def _names(connection: Connection, table: JobTable) -> dict[str, str]:
    first = first_pending(table, embedded=connection.target.embedded)
    return {"table": quoted(table.table), "first": first}
