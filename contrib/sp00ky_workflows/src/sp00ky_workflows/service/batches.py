"""Count the jobs of batches that have ended, and make a batch's callback when the last one has."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs

from sp00ky_core import NewJob
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadInvalid, Sp00kyError
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction, Is, KeyedJob, Row, Update
from sp00ky_workflows.api.records import ENDED, BatchRecord, batch_record
from sp00ky_workflows.calls import job_of
from sp00ky_workflows.model.graph import Call, StepStatus
from sp00ky_workflows.model.pointers import PointerUnmatched
from sp00ky_workflows.service.outcomes import Outcomes
from sp00ky_workflows.service.steps import Beaten
from sp00ky_workflows.service.transactions import redone
from sp00ky_workflows.tables import BATCHES, PARTS, PREFIX, part_of, step_key

__all__ = ["digits_of", "end_batch", "settle_members"]

logger: logging.Logger = logging.getLogger(__name__)


async def settle_members(context: ExtensionContext, outcomes: Outcomes) -> list[BatchRecord]:
    """Count jobs of batches that have ended; return the batches that have ended with them."""
    return await redone(context, partial(_count, outcomes=outcomes, context=context)) if outcomes else []


async def _count(
    tx: ExtensionTransaction, outcomes: Outcomes, context: ExtensionContext
) -> list[BatchRecord]:
    ended: dict[str, Counter[bool]] = defaultdict(Counter)
    for job_id, (status, _) in outcomes.items():
        part, bit = part_of(job_id)
        ended[part][status is StepStatus.SUCCESS] |= bit
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    updates = list[Update]()
    for row in await tx.select(PARTS, [Is("id", "in", tuple(ended))]):
        good, bad = ended[row["id"]][True], ended[row["id"]][False]
        pending, failed = (int(row[name] or "0", 16) for name in ("pending", "failed"))
        left, new = pending & ~good & ~bad, (failed | bad) & ~good
        more = {"failed": new.bit_count() - failed.bit_count()}
        more["succeeded"] = pending.bit_count() - left.bit_count() - more["failed"]
        if any(more.values()):
            counts[row["batch_id"]].update(more)
            met = [Is(name, "=", row[name]) for name in ("id", "pending", "failed")]
            updates.append((met, {"pending": digits_of(left), "failed": digits_of(new)}))
    if updates and await tx.update_many(PARTS, updates) != len(updates):
        raise Beaten
    batches = [await _add(tx, batch_id, count, context) for batch_id, count in sorted(counts.items())]
    return [batch for batch in batches if batch is not None]


def digits_of(bits: int) -> str:
    """Write bits as a part's row has them; none: an empty text."""
    return f"{bits:x}" if bits else ""


async def _add(
    tx: ExtensionTransaction, batch_id: str, count: Mapping[str, int], context: ExtensionContext
) -> BatchRecord | None:
    for row in await tx.select(BATCHES, [Is("id", "=", batch_id)]):
        new = {name: row[name] + count.get(name, 0) for name in ("succeeded", "failed")}
        met = [
            Is("id", "=", batch_id),
            *(Is(name, "=", row[name]) for name in ("succeeded", "failed", "closed")),
        ]
        if not await tx.update(BATCHES, met, new):
            raise Beaten
        return await end_batch(tx, {**row, **new}, context)
    return None


async def end_batch(tx: ExtensionTransaction, row: Row, context: ExtensionContext) -> BatchRecord | None:
    """End a batch if it is closed and its jobs have ended: its callback is made, once."""
    if row["closed"] != 1 or row["succeeded"] + row["failed"] < row["size"]:
        return None
    if not await tx.update(
        BATCHES, [Is("id", "=", row["id"]), Is("closed", "=", 1)], {"closed": ENDED, "ended_at": tx.now}
    ):
        raise Beaten
    ended = batch_record({**row, "closed": ENDED})
    text = row["on_failed"] if row["failed"] and row["on_failed"] else row["on_done"]
    if text is not None:
        call = Call(**decode(text))
        facts = {"batch": {name: getattr(ended, name) for name in ("name", "size", "succeeded", "failed")}}
        try:
            job = _callback(call, facts, context)
        except (PointerUnmatched, Sp00kyError) as error:
            logger.error("batch %s has ended without its callback: %s", ended.name, error)  # noqa: TRY400
            return ended
        key = step_key(ended.id, "callback", 1)
        await tx.enqueue([KeyedJob(job=job, key=key, prefix=PREFIX, checked=True)])
    return ended


def _callback(call: Call, facts: Mapping[str, Any], context: ExtensionContext) -> NewJob:
    """Return the job of a callback; it gets the facts beside its payload, if its contract takes them."""
    try:
        return job_of(attrs.evolve(call, payload={**facts, **call.payload}), facts, context)
    except PayloadInvalid:
        return job_of(call, facts, context)
