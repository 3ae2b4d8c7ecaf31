"""Count the jobs of batches that have ended, and make a batch's callback when the last one has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sp00ky_core import JobQuery
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction, Is, KeyedJob, Row
from sp00ky_workflows.api.records import ENDED, BatchRecord, batch_record
from sp00ky_workflows.calls import LoadedBackend, job_of
from sp00ky_workflows.model.graph import Call
from sp00ky_workflows.service.jobs import ended_jobs, redone
from sp00ky_workflows.service.rows import Beaten
from sp00ky_workflows.tables import BATCHES, MEMBERS, PREFIX, step_key

__all__ = ["end_batch", "settle_members"]


async def settle_members(
    context: ExtensionContext, job_ids: Sequence[str], *, heard: bool
) -> tuple[list[BatchRecord], int]:
    """Count those of some jobs that are in batches and have ended.

    Args:
        context: The extension's.
        job_ids: The jobs.
        heard: They have ended, as this runner knows.

    Returns:
        The batches that have ended with them, and how many jobs had.
    """
    outcomes = await (_heard(context, job_ids) if heard else _asked(context, job_ids))
    if not outcomes:
        return [], 0
    work = partial(_count, outcomes=outcomes, backends=context.backends)
    return await redone(context, work), len(outcomes)


async def _heard(context: ExtensionContext, job_ids: Sequence[str]) -> dict[str, str]:
    """Return what became of jobs that have ended, reading none that has succeeded: these are the most."""
    outcomes = dict.fromkeys(job_ids, "succeeded")
    for status in (JobStatus.FAILED, JobStatus.PENDING, JobStatus.PROCESSING):  # one may have been retried
        query = JobQuery(ids=tuple(job_ids), status=status, limit=len(job_ids))
        for job in await context.jobs.find(query):
            outcomes[job.id] = "failed"
            if status is not JobStatus.FAILED:
                del outcomes[job.id]
    return outcomes


async def _asked(context: ExtensionContext, job_ids: Sequence[str]) -> dict[str, str]:
    jobs = await ended_jobs(context, job_ids)
    has_succeeded = {job_id for job_id, job in jobs.items() if job and job.status is JobStatus.SUCCESS}
    return {job_id: "succeeded" if job_id in has_succeeded else "failed" for job_id in jobs}


async def _count(
    tx: ExtensionTransaction, outcomes: Mapping[str, str], backends: Mapping[str, LoadedBackend]
) -> list[BatchRecord]:
    counts: dict[str, Counter[str]] = {}
    where = [Is("job_id", "in", tuple(outcomes))]
    rows = await tx.select(MEMBERS, where)
    by_change: dict[tuple[str, str, str], list[str]] = {}
    for row in sorted(rows, key=lambda row: row["job_id"]):
        now = outcomes[row["job_id"]]
        if now != row["status"]:
            by_change.setdefault((row["batch_id"], row["status"], now), []).append(row["job_id"])
    for (batch_id, was, now), job_ids in sorted(by_change.items()):
        met = [Is("job_id", "in", tuple(job_ids)), Is("status", "=", was)]
        changed = (  # those that have succeeded are needed no more
            await tx.delete(MEMBERS, met)
            if now == "succeeded"
            else await tx.update(MEMBERS, met, {"status": now})
        )
        if changed != len(job_ids):
            raise Beaten
        counts.setdefault(batch_id, Counter()).update({now: changed, was: -changed})
    return [
        ended
        for batch_id, count in sorted(counts.items())
        if (ended := await _add(tx, batch_id, count, backends))
    ]


async def _add(
    tx: ExtensionTransaction, batch_id: str, count: Mapping[str, int], backends: Mapping[str, LoadedBackend]
) -> BatchRecord | None:
    for row in await tx.select(BATCHES, [Is("id", "=", batch_id)]):
        new = {name: row[name] + count.get(name, 0) for name in ("succeeded", "failed")}
        met = [
            Is("id", "=", batch_id),
            *(Is(name, "=", row[name]) for name in ("succeeded", "failed", "closed")),
        ]
        if not await tx.update(BATCHES, met, new):
            raise Beaten
        return await end_batch(tx, {**row, **new}, backends)
    return None


async def end_batch(
    tx: ExtensionTransaction, row: Row, backends: Mapping[str, LoadedBackend]
) -> BatchRecord | None:
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
        job = job_of(call, {"batch": _facts(ended)}, {"batch": _facts(ended)}, backends[call.backend])
        await tx.enqueue([KeyedJob(job=job, key=step_key(ended.id, "callback", 1), prefix=PREFIX)])
    return ended


def _facts(batch: BatchRecord) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in ("name", "size", "succeeded", "failed")}
