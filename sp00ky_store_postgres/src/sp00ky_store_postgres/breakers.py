"""Breakers: their rows, and changes under a guard."""

from __future__ import annotations

from typing import Any

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.jsontext import decode
from sp00ky_core.ports import BreakerResult, BreakerStats
from sp00ky_store_postgres.connections import Connections, Lane, Row
from sp00ky_store_postgres.statements import fill, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Breakers", "breaker_of"]

MOST_FAILURES = 2**31 - 1  # what the column can hold


class Breakers:
    """Reads and changes breakers; claims read them by themselves."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._tables = tables
        parts = {"read": read_sql("breaker_read"), "breaker": tables.breaker}
        self._change = fill(read_sql("change_breaker"), **parts)
        self._all = fill(read_sql("breakers"), **parts)

    async def change(self, change: BreakerChange) -> BreakerResult:
        """See ``Store.change_breaker``."""
        tries = 0

        async def write(connection: Any) -> list[Row]:
            nonlocal tries
            tries += 1
            rows: list[Row] = await connection.fetch(self._change, *self._arguments(change))
            return rows

        rows = await self._connections.run(Lane.REST, write)
        if not rows:  # somebody has deleted the row
            return BreakerResult(written=False, breaker=Breaker())
        breaker = breaker_of(rows[0][1])[1]
        by_lost = tries > 1 and change.has_made(breaker)
        return BreakerResult(written=rows[0][0] or by_lost, breaker=breaker)

    def _arguments(self, change: BreakerChange) -> tuple[object, ...]:
        before = change.before
        return (
            self._tables.of(change.backend).backend,
            before.state is not BreakerState.CLOSED,
            before.failures,
            before.probe_runner,
            "closed" if change.to is BreakerState.CLOSED else "open",
            min(change.failures, MOST_FAILURES),
            change.pause,
            change.to is BreakerState.HALF_OPEN,
        )

    async def stats(self) -> dict[str, BreakerStats]:
        """Every breaker that has a row, by its backend."""
        rows = await self._connections.fetch(Lane.REST, self._all)
        read = (breaker_of(row[0]) for row in rows)
        return {
            backend: BreakerStats(state=breaker.state.value, paused_for_s=breaker.paused_for)
            for backend, breaker in read
        }


def breaker_of(text: str) -> tuple[str, Breaker]:
    """A backend and its breaker, as ``breaker_read.sql`` writes them."""
    fields: dict[str, Any] = decode(text)
    backend = fields.pop("backend")
    return backend, Breaker(**{**fields, "state": BreakerState(fields["state"])})
