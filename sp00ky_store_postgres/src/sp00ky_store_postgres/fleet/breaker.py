"""Read breakers, and change them under a guard."""

from __future__ import annotations

from typing import Any

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.ports import BreakerResult
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.part import StorePart

MOST_FAILURES = 2**31 - 1  # what the column can hold


class Breakers(StorePart):
    """A part of the store: breakers, which claims read in their own statement."""

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Breakers.change_breaker``."""
        tables, tries = self._executor.tables, 0
        table = tables.of(change.backend)
        statement = tables.statement("change_breaker")

        async def write(connection: Any) -> list[Row]:
            nonlocal tries
            tries += 1
            rows: list[Row] = await connection.fetch(statement, table.backend, *_arguments(change))
            return rows

        rows = await self._executor.run(Workload.REST, write)
        if not rows:  # another client has deleted the row
            return BreakerResult(written=False, breaker=Breaker())
        breaker = breaker_of(rows[0][1])[1]
        by_lost = tries > 1 and change.has_made(breaker)
        written = rows[0][0] or by_lost
        if written and change.closes:
            await self._announcements.tables([table.table])
        return BreakerResult(written=written, breaker=breaker)

    async def _breakers(self) -> dict[str, Breaker]:
        """Return every breaker that has a row, by its backend."""
        return dict(breaker_of(row[0]) for row in await self._executor.query("breakers"))


def _arguments(change: BreakerChange) -> tuple[object, ...]:
    before = change.before
    return (
        before.state is not BreakerState.CLOSED,
        before.failures,
        before.probe_runner,
        "closed" if change.to is BreakerState.CLOSED else "open",
        min(change.failures, MOST_FAILURES),
        change.pause,
        change.to is BreakerState.HALF_OPEN,
    )


def breaker_of(text: str) -> tuple[str, Breaker]:
    """Return a backend and its breaker, as ``breaker_read.sql`` writes them."""
    fields: dict[str, Any] = decode(text)
    backend = fields.pop("backend")
    return backend, Breaker(**{**fields, "state": BreakerState(fields["state"])})
