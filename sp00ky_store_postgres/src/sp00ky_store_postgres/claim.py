"""Claims: one statement for all backends, built once for each set of tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import itemgetter

from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.connections import Connections, Lane
from sp00ky_store_postgres.mapping import claimed_jobs
from sp00ky_store_postgres.statements import fill, literal, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Claims"]

RUN_AT, KEY = 12, 1
"""Where a claim's rows hold what they are ordered by: the statement returns them as they lie on disk."""


class Claims:
    """Takes due jobs, and says when there will be more."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._tables = tables
        self._built: dict[tuple[str, ...], str] = {}

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> list[Job]:
        """See ``Store.claim``."""
        wanted = {backend: slots for backend, slots in slots_by_backend.items() if slots > 0}
        tables = self._tables.chosen(wanted)
        if not tables:
            return []
        slots = [wanted[table.backend] for table in tables]
        rows = await self._connections.fetch(Lane.CLAIM, self._statement(tables), runner_id, *slots)
        rows.sort(key=itemgetter(RUN_AT, KEY))
        return claimed_jobs(rows, tables, runner_id)

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        tables = self._tables.chosen(backends)
        if not tables:
            return None
        shares = [fill(read_sql("next_due"), table=self._tables.name(table)) for table in tables]
        rows = await self._connections.fetch(Lane.CLAIM, " UNION ALL ".join(shares))
        return max(min(row[0] for row in rows), 0.0) if rows else None

    def _statement(self, tables: tuple[JobTable, ...]) -> str:
        key = tuple(table.table for table in tables)
        statement = self._built.get(key)
        if statement is None:
            statement = self._built[key] = self._build(tables)
        return statement

    def _build(self, tables: tuple[JobTable, ...]) -> str:
        shares = [
            fill(
                read_sql("claim"),
                share=f"share_{number}",
                table=self._tables.name(table),
                breaker=self._tables.breaker,
                backend=literal(table.backend),
                lease=_lease(table),
                limit=f"${number + 2}",
                number=str(number),
            )
            for number, table in enumerate(tables)
        ]
        union = " UNION ALL ".join(f"TABLE share_{number}" for number in range(len(tables)))
        return f"WITH {', '.join(shares)} {union}"


def _lease(table: JobTable) -> str:
    """Seconds, as ``JobTable.attempt_timeout`` says them, in SQL."""
    if not table.timeout_overridable:
        return f"({table.timeout + table.lease_margin!r}::float8)"
    default = f"{table.timeout!r}::float8"
    own = f"CASE WHEN job.timeout IS NULL THEN {default} ELSE least(greatest(job.timeout, 1), 86400) END"
    return f"({own} + {table.lease_margin!r}::float8)"
