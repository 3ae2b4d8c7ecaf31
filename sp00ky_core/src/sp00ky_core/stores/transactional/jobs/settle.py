"""Write transitions, each under its guard; a row that the database refuses costs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable, SettleFate, Settlement, SettleResult
from sp00ky_core.stores.apply import applied
from sp00ky_core.stores.isolation import settle_with_less
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session, Update
from sp00ky_core.stores.transactional.rows import (
    DECIDED,
    Found,
    changes,
    guard_of,
    load_rows,
    to_job,
    update_all,
)
from sp00ky_core.stores.transactional.schema.definition import LIVE_STATUSES, job_table


async def settle(
    session: Session, tables: Mapping[str, JobTable], settlements: Sequence[Settlement], *, apart: bool
) -> list[SettleResult]:
    """Write a batch; the fates, in order.

    Args:
        session: A transaction that writes.
        tables: By name.
        settlements: The batch.
        apart: Each row in a savepoint of its own, without its result or its entry where it is refused so.

    Raises:
        RowRefused: A row was refused, and it wasn't ``apart``: nothing of the batch may be committed.
    """
    ids = [each.job_id for each in settlements]
    rows = await load_rows(session, tables, ids, lock=True)
    held = await load_rows(session, tables, [each for each in ids if each not in rows])
    now = await session.now()
    together = set() if apart else await _settle_together(session, rows, settlements, now)
    results = []
    for number, each in enumerate(settlements):
        if number in together:
            results.append(SettleResult(job_id=each.job_id, fate=SettleFate.SETTLED))
        elif each.job_id not in rows:
            results.append(_unlocked(held, each))
        elif apart:
            results.append(await _settle_apart(session, *rows[each.job_id], each, now))
        else:
            fate = await _settle(session, *rows[each.job_id], each, now)
            results.append(SettleResult(job_id=each.job_id, fate=fate))
    return results


async def _settle_together(
    session: Session, rows: Found, settlements: Sequence[Settlement], now: datetime
) -> set[int]:
    """Write the first settlement of each row that can be settled, in few statements; their numbers.

    A redrive isn't among them, for one looks at those before it.
    """
    updates: dict[str, list[Update]] = {}
    together: dict[str, int] = {}
    for number, each in enumerate(settlements):
        if each.job_id in rows and each.job_id not in together:
            table, row = rows[each.job_id]
            job = to_job(table, row)
            if _fate(job, each) is SettleFate.SETTLED and not job.is_terminal:
                together[each.job_id] = number
                values = changes(job, applied(job, each.transition, now))
                updates.setdefault(table.table, []).append((guard_of(row), values))
    for name, some in updates.items():
        await update_all(session, job_table(name), some)
    return set(together.values())


def _unlocked(held: Found, settlement: Settlement) -> SettleResult:
    """Return the result where the row is gone, or another transaction is writing it."""
    fate = SettleFate.LEASE_LOST
    if settlement.job_id in held:
        fate = _fate(to_job(*held[settlement.job_id]), settlement)
    if fate is SettleFate.SETTLED:
        fate = SettleFate.BUSY
    return SettleResult(job_id=settlement.job_id, fate=fate)


async def _settle_apart(
    session: Session, table: JobTable, row: Row, settlement: Settlement, now: datetime
) -> SettleResult:
    async def write(each: Settlement) -> SettleResult:
        async with session.savepoint():
            fate = await _settle(session, table, row, each, now)
        return SettleResult(job_id=each.job_id, fate=fate)

    try:
        return await write(settlement)
    except RowRefused as error:
        problem = error.problem
    busy = SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=problem)
    if settlement.stays_if_refused:
        return busy
    return await settle_with_less(settlement, problem, write) or busy


async def _settle(
    session: Session, table: JobTable, row: Row, settlement: Settlement, now: datetime
) -> SettleFate:
    job = to_job(table, row)
    fate = _fate(job, settlement)
    if fate is not SettleFate.SETTLED:
        return fate
    after = applied(job, settlement.transition, now)
    if job.is_terminal and not after.is_terminal and await _is_taken(session, table, job):
        return SettleFate.DUPLICATE
    stored = job_table(table.table)
    if await session.update(stored, guard_of(row), changes(job, after)):
        return SettleFate.SETTLED
    for moved in await session.select(stored, [Is("id", "=", row["id"])], longest=DECIDED):
        fate = _fate(to_job(table, moved), settlement)  # the batch or another transaction has changed it
        return SettleFate.BUSY if fate is SettleFate.SETTLED else fate
    return SettleFate.LEASE_LOST


def _fate(job: Job, settlement: Settlement) -> SettleFate:
    return settlement.fate_on(epoch=job.lease_epoch, status=job.status, runner_id=job.runner_id)


async def _is_taken(session: Session, table: JobTable, job: Job) -> bool:
    if job.dedup_key is None:
        return False
    where = [Is("status", "in", LIVE_STATUSES), Is("dedup_key", "=", job.dedup_key)]
    return await session.count(job_table(table.table), where) > 0
