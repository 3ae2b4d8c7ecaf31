"""Read breakers, and change them under a guard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sp00ky_core.errors import RowRefused
from sp00ky_core.gate.breaker import Breaker, BreakerChange, breaker_of, changed, fits
from sp00ky_core.ports import LONGEST_PROBE, BreakerResult, JobTable
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session, Where
from sp00ky_core.stores.transactional.schema.definition import BREAKERS


async def read_breakers(session: Session, tables: Iterable[JobTable], now: datetime) -> dict[str, Breaker]:
    """Read the breakers of tables' backends, without those that are as if new."""
    by_backend = {table.backend: table for table in tables}
    rows = await session.select(BREAKERS, [Is("backend", "in", tuple(by_backend))])
    breakers = {row["backend"]: _breaker(row, by_backend[row["backend"]], now) for row in rows}
    return {backend: breaker for backend, breaker in breakers.items() if breaker != Breaker()}


async def change_breaker(session: Session, table: JobTable, change: BreakerChange) -> BreakerResult:
    """Write a change if the breaker is as it was before it."""
    where = [Is("backend", "=", change.backend)]
    row = next(iter(await session.select(BREAKERS, where, lock=True)), None)
    now, written = await session.now(), fits(row or {}, change.before)
    if written:
        values = changed(row or {}, change, now, longest_pause=table.longest_pause)
        if row is None:
            written = await _inserted(session, {"backend": change.backend, **values})
        else:
            written = await session.update(BREAKERS, _guard_of(row), values) > 0
    breakers = await read_breakers(session, [table], now)
    return BreakerResult(written=written, breaker=breakers.get(change.backend, Breaker()))


async def take_probe(session: Session, table: JobTable, runner_id: str) -> Row | None:
    """Give a runner the probe of an open breaker; its row as it was, None: another has it, or none is due."""
    now = await session.now()
    for row in await session.select(BREAKERS, [Is("backend", "=", table.backend)]):
        values = {"probe_runner": runner_id, "probe_until": now + timedelta(seconds=table.probe_lease)}
        if _breaker(row, table, now).wants_probe and await session.update(BREAKERS, _guard_of(row), values):
            return row
    return None


async def give_back_probe(session: Session, before: Row) -> None:
    """Undo ``take_probe``, in its transaction: there was no job to try."""
    values = {name: before[name] for name in ("probe_runner", "probe_until")}
    await session.update(BREAKERS, [Is("backend", "=", before["backend"])], values)


def _breaker(row: Row, table: JobTable, now: datetime) -> Breaker:
    return breaker_of(row, now, longest_pause=table.longest_pause, longest_probe=LONGEST_PROBE)


def _guard_of(row: Row) -> list[Where]:
    """Name the row, as long as it is as it was read: another transaction may have committed meanwhile."""
    return [Is(name, "=", value) for name, value in row.items()]


async def _inserted(session: Session, row: Row) -> bool:
    """Insert a row, unless another transaction has: it has one that is committed, or that it has locked."""
    try:
        async with session.savepoint():
            await session.insert(BREAKERS, [row])
    except RowRefused:
        return False
    return True
