"""Write transitions, each under its guard; a row that the database refuses is taken aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.errors import StoreError
from sp00ky_core.job import AttemptError, JobStatus
from sp00ky_core.machine import Transition
from sp00ky_core.outcome import INVALID_ROW
from sp00ky_core.ports import SettleFate, Settlement, SettleResult
from sp00ky_store_surreal.connection import Connection, Lane, Way
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, Conflict, DuplicateKey, reason_of
from sp00ky_store_surreal.ids import id_text, id_value, is_composite
from sp00ky_store_surreal.mapping import duration_text
from sp00ky_store_surreal.queries import surql
from sp00ky_store_surreal.reading import Id
from sp00ky_store_surreal.refusals import Refusals

__all__ = ["settle"]


async def settle(
    connection: Connection, settlements: Sequence[Settlement], refusals: Refusals
) -> list[SettleResult]:
    """Their fates, in order; one round trip unless a row is refused, or collides again and again."""
    if not settlements:
        return []
    try:
        return await _batch(connection, settlements)
    except NO_ROWS_FAULT:
        raise
    except StoreError as error:
        if len(settlements) == 1:
            return [await _alone(connection, settlements[0], error, refusals)]
    half = len(settlements) // 2
    return [
        *await settle(connection, settlements[:half], refusals),
        *await settle(connection, settlements[half:], refusals),
    ]


async def _batch(connection: Connection, settlements: Sequence[Settlement]) -> list[SettleResult]:
    ids = [id_value(each.job_id) for each in settlements]
    found = [each for each in ids if each is not None]
    as_text = surql("id_text") if any(map(is_composite, found)) else "id"
    writes = [_write(row, each) for row, each in zip(ids, settlements, strict=True) if row is not None]
    reply = await connection.write(
        surql("settle", id=as_text),
        Way(lane=Lane.SETTLE),
        ids=found,
        plain=[each for each in writes if "bump" not in each],
        others=[each for each in writes if "bump" in each],
    )
    rows = next(each for each in reply if isinstance(each, list))
    before = {id_text(row["id"]): row for row in rows}
    return _fates(before, settlements)


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


def _write(row_id: Id, settlement: Settlement) -> dict[str, Any]:
    change = settlement.transition
    write: dict[str, Any] = {
        "id": row_id,
        "epoch": settlement.epoch,
        "was": settlement.status.value,
        "to": change.to.value,
        "retries": change.retries,
        "result": None if change.result_json is None else change.result_json.decode(errors="replace"),
    }
    if _is_plain(change):
        return write
    return write | {
        "delay": None if change.delay is None else duration_text(change.delay),
        "after_lease": change.after_lease,
        "error": None if change.error is None else _entry(change.error),
        "bump": int(change.bumps_epoch),
        "keeps": change.keeps_lease,
    }


def _is_plain(change: Transition) -> bool:
    return (
        change.to in {JobStatus.SUCCESS, JobStatus.FAILED}
        and change.delay is None
        and change.error is None
        and not change.bumps_epoch
        and not change.keeps_lease
    )


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
        return attrs.evolve(result, problem=problem)
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
