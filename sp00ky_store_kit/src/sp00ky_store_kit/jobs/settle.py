"""Write transitions under their guards, release claims, and list those whose end is unknown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Unpack

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job
from sp00ky_core.job.state_machine import Released, Rescheduled
from sp00ky_core.ports import LONGEST_LEASE, JobTable, OverdueClaim, SettleFate, Settlement, SettleResult
from sp00ky_core.stores.decisions import LostOptions, applied, is_overdue, settlement_of
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.refused_writes import Quarantine, settle_with_less
from sp00ky_store_kit.connection.session import Both, Either, Is, Row, Session, Update
from sp00ky_store_kit.rows import (
    DECIDED,
    PENDING,
    PROCESSING,
    Found,
    Tables,
    as_given,
    changes,
    guard_of,
    key_of,
    keys_by_table,
    load_rows,
    others_than,
    rows_of,
    select_jobs,
    to_job,
    update_all,
)
from sp00ky_store_kit.schema import LIVE_STATUSES, job_table


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
    ids = [settlement.job_id for settlement in settlements]
    rows = await load_rows(session, tables, ids, longest=DECIDED, lock=True)
    others = [id_ for id_ in ids if id_ not in rows]
    present = await load_rows(session, tables, others, longest=DECIDED)
    now = await session.now()
    together = set() if apart else await _settle_together(session, rows, settlements, now)
    results = []
    for number, settlement in enumerate(settlements):
        id_ = settlement.job_id
        if apart and id_ in rows:
            results.append(await _settle_apart(session, *rows[id_], settlement, now))
            continue
        if number in together:
            fate = SettleFate.SETTLED
        elif id_ in rows:
            fate = await _settle(session, *rows[id_], settlement, now)
        else:
            fate = _unlocked(present, settlement)
        results.append(SettleResult(job_id=id_, fate=fate))
    return results


async def _settle_together(
    session: Session, rows: Found, settlements: Sequence[Settlement], now: datetime
) -> set[int]:
    """Write the first settlement of each row that can be settled, in few statements; their numbers.

    An operator's retry isn't among them, for it looks at those before it.
    """
    updates: dict[str, list[Update]] = {}
    together: dict[str, int] = {}
    for number, settlement in enumerate(settlements):
        if settlement.job_id in rows and settlement.job_id not in together:
            table, row = rows[settlement.job_id]
            job = to_job(table, row)
            if _fate(job, settlement) is SettleFate.SETTLED and not job.is_terminal:
                together[settlement.job_id] = number
                values = changes(job, applied(job, settlement.transition, now))
                updates.setdefault(table.table, []).append((guard_of(row), values))
    for name, some in updates.items():
        await update_all(session, job_table(name), some)
    return set(together.values())


def _unlocked(present: Found, settlement: Settlement) -> SettleFate:
    """Return the fate where the row is gone, or another transaction is writing it."""
    if settlement.job_id not in present:
        return SettleFate.LEASE_LOST
    fate = _fate(to_job(*present[settlement.job_id]), settlement)
    return SettleFate.BUSY if fate is SettleFate.SETTLED else fate


async def _settle_apart(
    session: Session, table: JobTable, row: Row, settlement: Settlement, now: datetime
) -> SettleResult:
    async def write(tried: Settlement) -> SettleResult:
        async with session.savepoint():
            fate = await _settle(session, table, row, tried, now)
        return SettleResult(job_id=tried.job_id, fate=fate)

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


async def reschedule(
    session: Session, tables: Mapping[str, JobTable], job_ids: Iterable[str], change: Rescheduled
) -> list[str]:
    """Write a change to the rows of those jobs that are pending; their ids, as they were given."""
    now = await session.now()
    run_at = change.run_at if change.delay is None else now + timedelta(seconds=change.delay)
    values: dict[str, Any] = {"updated_at": now}
    values |= {} if run_at is None else {"run_at": run_at}
    values |= {} if change.priority is None else {"priority": change.priority}
    given, written = as_given(session, job_ids), list[str]()
    for name, keys in keys_by_table(given, tables):
        rows = await session.select(
            job_table(name), [PENDING, Is("id", "in", keys)], columns=["id"], lock=True
        )
        where = [PENDING, Is("id", "in", [row["id"] for row in rows])]
        if rows and await session.update(job_table(name), where, values) == len(rows):
            written += [job_id for row in rows for job_id in given[f"{name}:{row['id']}"]]
    return written


async def put_off(session: Session, table: JobTable, path: str, seconds: float, limit: int) -> int:
    """Make due jobs of a path due later; how many. See ``Store.put_off``."""
    stored, now = job_table(table.table), await session.now()
    waiting = [PENDING, Is("path", "=", path), Is("ordering_key", "=", None), Is("run_at", "<=", now)]
    rows = await session.select(stored, waiting, columns=["id"], limit=limit, lock=True)
    if not rows:
        return 0
    where = [PENDING, Is("id", "in", [row["id"] for row in rows])]
    return await session.update(stored, where, {"run_at": now + timedelta(seconds=seconds)})


async def release(
    session: Session,
    tables: Mapping[str, JobTable],
    runner_id: str,
    *,
    keep: Collection[str],
    refused: Quarantine,
    apart: bool,
) -> list[str]:
    """Give back a runner's rows whose leases run, but those kept; their ids. See ``settle`` for ``apart``.

    One that the database refuses is left to its lease.
    """
    settlements = list[Settlement]()
    for stored in await rows_of(session, tables.values()):
        own = [PROCESSING, Is("runner_id", "=", runner_id)]
        for job in await select_jobs(session, stored.table, own, longest=DECIDED):
            if job.id not in keep and not is_overdue(job, stored.now):
                settlements.append(settlement_of(job, Released()))
    results = await settle(session, tables, settlements, apart=apart) if settlements else []
    for result in results:
        if result.problem is not None:
            refused.add("released", [result.job_id], result.problem)
    return [result.job_id for result in results if result.fate is SettleFate.SETTLED]


async def overdue_claims(
    session: Session, tables: Tables, runners: Collection[str], *, limit: int = 500
) -> list[OverdueClaim]:
    """List these runners' rows whose lease is over."""
    claims = list[OverdueClaim]()
    for stored in await rows_of(session, tables):
        table, where = stored.table, [PROCESSING, Is("runner_id", "in", tuple(runners)), stored.overdue()]
        for job in await select_jobs(session, table, where, limit=limit - len(claims), longest=DECIDED):
            lasts = max(table.attempt_timeout(job.timeout) + table.lease_margin, _written(job))
            claim = OverdueClaim(job_id=job.id, epoch=job.lease_epoch, runner_id=job.runner_id, lasts=lasts)
            claims.append(claim)
    return claims


def _written(job: Job) -> float:
    """Return how long the lease of a claim was to last: another file may say more than this process's."""
    if not job.lease_epoch or job.lease_until is None or job.updated_at is None:
        return 0.0
    seconds = (job.lease_until - job.updated_at).total_seconds()
    return round(seconds, 3) if seconds <= LONGEST_LEASE else 0.0  # a clock may be read for each of them


async def lost(
    session: Session,
    tables: Tables,
    dead: Collection[str],
    refused: Quarantine,
    **options: Unpack[LostOptions],
) -> list[Job]:
    """List rows to be reclaimed: see ``DecidingStore._lost``; but for those refused just now."""
    jobs = list[Job]()
    for stored in await rows_of(session, tables):
        table = stored.table
        keys = [key_of(claim.job_id) for claim in options["overdue"] if table_of(claim.job_id) == table.table]
        spared = Is("runner_id", "not in", tuple(options["beating"]))
        taken = Either((Is("runner_id", "=", None), spared, Is("id", "in", keys)))
        where = Either((Is("runner_id", "in", tuple(dead)), Both((stored.overdue(), taken))))
        resting = others_than(refused, "settled", table.table)
        left = options["limit"] - len(jobs)
        jobs += await select_jobs(session, table, [PROCESSING, where, *resting], limit=left, longest=DECIDED)
    return jobs
