"""Write transitions, each under its guard; a row that the database refuses is taken aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.job import AttemptError, JobStatus
from sp00ky_core.outcome import INVALID_ROW
from sp00ky_core.ports import SettleFate, Settlement, SettleResult
from sp00ky_store_surreal.connection import Connection, Lane, Way
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, Conflict, DuplicateKey, TableMissing, reason_of
from sp00ky_store_surreal.ids import id_text, id_value, is_composite, table_of
from sp00ky_store_surreal.mapping import duration_text
from sp00ky_store_surreal.queries import surql
from sp00ky_store_surreal.reading import Id
from sp00ky_store_surreal.refusals import Refusals
from sp00ky_store_surreal.rights import unwritable

__all__ = ["settle"]

SETTLING = Way(lane=Lane.SETTLE)

MISSED = "sp00ky: the row was changed by somebody"
"""What a statement throws that finds a row changed."""


async def settle(
    connection: Connection, settlements: Sequence[Settlement], refusals: Refusals
) -> list[SettleResult]:
    """Their fates, in order; one round trip unless one misses its row, is refused, or collides for long.

    Each row is looked at before its write only then, for that costs as much as a third of the write.
    """
    if not settlements:
        return []
    try:
        return await _all(connection, settlements)
    except TableMissing:
        return await _each(connection, settlements, refusals)
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return await _each(connection, settlements, refusals)


async def _all(connection: Connection, settlements: Sequence[Settlement]) -> list[SettleResult]:
    """All or none: raises ``RowRefused`` where the guard of one doesn't match."""
    writes = _writes(settlements)
    if sum(len(each[0]) for each in writes["delivered"]) + len(writes["others"]) < len(settlements):
        raise RowRefused(store=connection.target.location, problem="an id that names no row")
    await connection.write(_statement(writes, missed=f"THROW '{MISSED}'"), SETTLING, **writes)
    return [SettleResult(job_id=each.job_id, fate=SettleFate.SETTLED) for each in settlements]


async def _each(
    connection: Connection, settlements: Sequence[Settlement], refusals: Refusals
) -> list[SettleResult]:
    try:
        return await _batch(connection, settlements)
    except TableMissing as error:
        if len(settlements) == 1:  # the row is gone with it
            lost, problem = SettleFate.LEASE_LOST, reason_of(error)
            return [SettleResult(job_id=settlements[0].job_id, fate=lost, problem=problem)]
    except NO_ROWS_FAULT:
        raise
    except StoreError as error:
        if len(settlements) == 1:
            return [await _alone(connection, settlements[0], error, refusals)]
    half = len(settlements) // 2
    return [
        *await _each(connection, settlements[:half], refusals),
        *await _each(connection, settlements[half:], refusals),
    ]


async def _batch(connection: Connection, settlements: Sequence[Settlement]) -> list[SettleResult]:
    found = [each for each in (id_value(each.job_id) for each in settlements) if each is not None]
    as_text = surql("id_text") if any(map(is_composite, found)) else "id"
    writes = _writes(settlements)
    looks = {name: surql(f"settle_{name}", id=as_text) for name in ("before", "after")}
    reply = await connection.write(_statement(writes, **looks), SETTLING, ids=found, **writes)
    looked = [rows for rows in reply if isinstance(rows, list)]
    before, after = ({id_text(row["id"]): row for row in rows} for rows in (looked[0], looked[-1]))
    results = _fates(before, settlements)
    for each in results:
        if each.fate is SettleFate.SETTLED and _is_unchanged(before[each.job_id], after.get(each.job_id)):
            raise unwritable(connection.target.location, table_of(each.job_id))
    return results


def _is_unchanged(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> bool:
    """Whether a write was dropped: every transition leads to another status."""
    return after is not None and after["status"] == before["status"]


def _statement(
    writes: Mapping[str, list[Any]], *, before: str = "", after: str = "", missed: str = "NONE"
) -> str:
    has_results = any(result is not None for _, _, result in writes["delivered"])
    result = "result = $each[2] ?? result, " if has_results else ""  # it costs a fifteenth, also for nothing
    return surql("settle", before=before, after=after, missed=missed, result=result)


def _fates(before: Mapping[str, Mapping[str, Any]], settlements: Sequence[Settlement]) -> list[SettleResult]:
    settled: set[str] = set()
    results = []
    for each in settlements:
        row = before.get(each.job_id)
        if row is None or row["epoch"] != each.epoch:
            fate = SettleFate.LEASE_LOST
        elif row["status"] != each.status.value or each.job_id in settled:
            fate = SettleFate.ALREADY_SETTLED
        else:
            fate = SettleFate.SETTLED
            settled.add(each.job_id)
        results.append(SettleResult(job_id=each.job_id, fate=fate))
    return results


def _writes(settlements: Sequence[Settlement]) -> dict[str, list[Any]]:
    """What the statement binds; deliveries that were answered alike are written at once."""
    alike: dict[tuple[int, bytes | None], list[Id]] = {}
    others = []
    for each in settlements:
        row_id = id_value(each.job_id)
        if row_id is None:
            continue
        if _is_delivery(each):
            alike.setdefault((each.epoch, each.transition.result_json), []).append(row_id)
        else:
            others.append(_write(row_id, each))
    delivered = [[ids, epoch, _text(result)] for (epoch, result), ids in alike.items()]
    return {"delivered": delivered, "others": others}


def _is_delivery(settlement: Settlement) -> bool:
    """Whether it is the usual one, of a row that was claimed: its epoch is sound, its retries stay."""
    change = settlement.transition
    return (
        change.to is JobStatus.SUCCESS
        and settlement.status is JobStatus.PROCESSING
        and settlement.epoch > 0
        and change.error is None
    )


def _text(result_json: bytes | None) -> str | None:
    return None if result_json is None else result_json.decode(errors="replace")


def _write(row_id: Id, settlement: Settlement) -> dict[str, Any]:
    change = settlement.transition
    return {
        "id": row_id,
        "epoch": settlement.epoch,
        "was": settlement.status.value,
        "to": change.to.value,
        "retries": change.retries,
        "result": _text(change.result_json),
        "delay": None if change.delay is None else duration_text(change.delay),
        "after_lease": change.after_lease,
        "error": None if change.error is None else _entry(change.error),
        "bump": int(change.bumps_epoch),
        "keeps": change.keeps_lease,
    }


def _entry(error: AttemptError) -> dict[str, Any]:
    return {
        "attempt": error.attempt,
        "code": error.code,
        "name": _clean(error.name),
        "reason": _clean(error.reason),
        "runner_id": None if error.runner_id is None else _clean(error.runner_id),
    }


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


async def _alone(
    connection: Connection, settlement: Settlement, refusal: StoreError, refusals: Refusals
) -> SettleResult:
    """Settle what was refused without a part of it; the first that the database takes.

    Where it takes none the fate is ``BUSY``: the attempt was made, and must not be forgotten.
    """
    problem = reason_of(refusal)
    if isinstance(refusal, DuplicateKey) and settlement.status is JobStatus.FAILED:
        return SettleResult(job_id=settlement.job_id, fate=SettleFate.DUPLICATE, problem=problem)
    # What collides is sound: nothing of it is left out.
    for lesser in () if isinstance(refusal, Conflict) else _lesser(settlement, problem):
        try:
            result = (await _batch(connection, [lesser]))[0]
        except NO_ROWS_FAULT:
            raise
        except Conflict:
            break
        except StoreError:
            continue
        return attrs.evolve(result, problem=problem, written=lesser.transition)
    else:
        if not isinstance(refusal, Conflict):
            refusals.tell(settlement.job_id, "settled", refusal)
    return SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=problem)


def _lesser(settlement: Settlement, problem: str) -> list[Settlement]:
    change = settlement.transition
    without = []
    if change.result_json is not None:
        without.append(attrs.evolve(change, result_json=None))
    if change.error is not None:
        without.append(attrs.evolve(change, error=None))
    entry = AttemptError(attempt=change.retries + 1, code=0, name=INVALID_ROW, reason=problem[:500])
    failed = attrs.evolve(change, to=JobStatus.FAILED, delay=None, result_json=None, error=entry)
    without += [failed, attrs.evolve(failed, error=None)]
    return [attrs.evolve(settlement, transition=each) for each in without]
