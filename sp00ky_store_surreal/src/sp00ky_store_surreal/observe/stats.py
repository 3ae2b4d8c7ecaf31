"""Count the queues, and find when the next job is due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sp00ky_core.ports import BackendStats, BreakerStats, JobTable
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.fleet.breaker import breaker_of, longest_bindings
from sp00ky_store_surreal.operate.pause import pause_of
from sp00ky_store_surreal.rows import count_of, seconds_of
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.claim_parts import RANKS, first_pending, group_of, longest_lease
from sp00ky_store_surreal.surql.loader import quoted, surql

MOST_READ = 100_000
"""Of jobs that wait, those that are looked at for their ordering_key and their deferral."""


class Stats(StorePart):
    """A part of the store: how long its queues are."""

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``; one round trip. What is larger than ``limit`` is said to be so large."""
        await self._ready.ensure()
        counts = _counts if limit is None else _counts_up_to
        most = {"most": str(MOST_READ if limit is None else limit)}
        statement = surql("let_now") + "".join(
            surql(
                "stats_of_backend",
                n=str(number),
                **counts(self._connection, each, **most),
                **_names(self._connection, each),
                **most,
            )
            for number, each in enumerate(self._tables)
        )
        names = {f"backend{number}": each.backend for number, each in enumerate(self._tables)}
        names |= longest_bindings(self._tables)
        _, *reply = await self._connection.read(statement, **names)
        size = len(reply) // max(len(self._tables), 1)
        return {
            each.backend: _stats(each, reply[number * size : (number + 1) * size])
            for number, each in enumerate(self._tables)
        }

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        await self._ready.ensure()
        tables = await self._ready.there(map(self._of_backend, backends))
        embedded = self._connection.target.embedded
        statement = "".join(
            surql(
                "stats_next_due",
                group=group_of(0, embedded=embedded),
                is_job=_is_job(each, embedded=embedded),
                **_names(self._connection, each),
            )
            + surql(
                "stats_next_due_with_key",
                n=str(number),
                table=quoted(each.table),
                due_only="",
                pending="",
                held="",
                longest_lease=longest_lease(each),
            )
            for number, each in enumerate(tables)
        )
        if not statement:
            return None
        reply = await self._connection.read(surql("let_now") + statement)
        return min(
            (seconds_of(each) for rows in reply if isinstance(rows, list) for each in rows), default=None
        )


def _stats(table: JobTable, reply: Sequence[Any]) -> BackendStats:
    counted, stalled, oldest, _, deferred, waiting, breakers, pauses = reply
    every, others, later = ([*map(count_of, each)] for each in counted)
    pending, first_later, processing, success, failed = (
        count - other for count, other in zip_longest(every, others, fillvalue=0)
    )
    return BackendStats(
        pending=pending,
        due=pending - first_later - sum(later),  # what is delayed is counted: a backlog is mostly due
        processing=processing,
        stalled=count_of(stalled),
        success=success,
        failed=failed,
        deferred=deferred,
        oldest_deferred_s=seconds_of(waiting) if waiting else None,
        oldest_due_s=seconds_of(oldest[0]) if oldest else None,
        breaker=BreakerStats.of(table, breaker_of(breakers[0]) if breakers else None),
        paused=pause_of(pauses[0]) if pauses else None,
    )


def _counts_up_to(_connection: Connection, table: JobTable, *, most: str) -> dict[str, str]:
    counts = surql("stats_count_up_to", table=quoted(table.table), most=most)
    return {"counts": counts, "others": "", "later": ""}


def _counts(connection: Connection, table: JobTable, *, most: str) -> dict[str, str]:
    """Count all rows, then those that are no jobs: to ask each row costs ten times as much."""
    table_name = {"table": quoted(table.table)}
    others = surql("non_job_rows", **table_name).strip()
    plain, *higher = (
        surql(
            "stats_scheduled_of_priority",
            group=group_of(rank, embedded=connection.target.embedded),
            **table_name,
        )
        for rank in reversed(RANKS)
    )
    return {
        "counts": _by_status(table_name["table"], later=plain),
        "others": _by_status(others, later=surql("stats_scheduled_non_jobs", source=others)),
        "later": _listed(*higher, surql("stats_scheduled_with_key", most=most, **table_name)),
    }


def _by_status(source: str, *, later: str) -> str:
    return surql("stats_count_by_status", source=source, later=_listed(later))


def _listed(*statements: str) -> str:
    return ", ".join(f"({each.strip().removesuffix(';')})" for each in statements)


def _is_job(table: JobTable, *, embedded: bool) -> str:
    name = "is_job" if embedded else "is_pending_job"  # a cast takes the embedded planner off its index
    return surql(f"{name}", table=quoted(table.table)).strip()


def _names(connection: Connection, table: JobTable) -> dict[str, str]:
    return {
        "table": quoted(table.table),
        "first": first_pending(table, embedded=connection.target.embedded),
        "longest_lease": longest_lease(table),
    }
