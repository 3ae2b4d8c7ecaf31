"""Lock the row of a backend with limits, read what these leave for a claim, and write down what it took."""

from __future__ import annotations

from datetime import datetime

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.allowance import Allowance
from sp00ky_core.stores.rows import instant_of
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.observe.filters import PROCESSING, leased
from sp00ky_core.stores.transactional.schema.definition import CONTROLS, job_table


async def lock_control(session: Session, backend: str) -> bool:
    """Lock a backend's row, which is made where it is missing; False: another transaction has it."""
    where = [Is("backend", "=", backend)]
    if await session.select(CONTROLS, where, columns=["backend"], lock=True):
        return True
    if await session.count(CONTROLS, where):
        return False
    try:
        async with session.savepoint():
            await session.insert(CONTROLS, [{"backend": backend}])
    except RowRefused:
        return False
    return True


async def read_allowance(session: Session, table: JobTable, control: Row, now: datetime) -> Allowance:
    """Read what a table's limits leave. ``control``: its backend's row, empty where there is none."""
    stored, in_flight = job_table(table.table), 0
    if table.max_in_flight is not None:
        in_flight = await session.count(stored, [PROCESSING])
        in_flight += await session.count(stored, leased(table, now))
    at = instant_of(control.get("tokens_at"))
    return Allowance.of(table, now, tokens=control.get("tokens"), at=at, in_flight=in_flight)


async def spend(session: Session, table: JobTable, allowance: Allowance, taken: int, now: datetime) -> None:
    """Write down that jobs were taken; each has cost a token."""
    if (tokens := allowance.tokens_after(taken)) is not None:
        values = {"tokens": tokens, "tokens_at": now}
        await session.update(CONTROLS, [Is("backend", "=", table.backend)], values)
