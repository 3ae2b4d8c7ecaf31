"""Kill, retry, reschedule and clear jobs by their ids: read, decide, write under a guard."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import attrs

from sp00ky_core.errors import IllegalTransition, Sp00kyError
from sp00ky_core.job.job import Job
from sp00ky_core.job.state_machine import Event, Killed, Rescheduled, Retried
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import (
    JobQuery,
    OperatorFate,
    OperatorResult,
    Reschedules,
    SettleFate,
    Settlement,
    SettleResult,
    Store,
    has,
)
from sp00ky_core.stores.decisions import settlement_of
from sp00ky_core.stores.ids import chunks
from sp00ky_core.stores.named_jobs import Find, NamedJobs

__all__ = ["KILL_REASON", "clear", "kill", "retry", "report_settled", "reschedule"]

logger: logging.Logger = logging.getLogger(__name__)

KILL_REASON = "killed by an operator"

UNREAD_AT_ONCE = 5_000
"""Jobs that are written at a time where none is read."""

TRIES = 5
"""How often a row is read again that has changed between the read and the guarded write."""


async def kill(store: Store, job_ids: Sequence[str], *, reason: str = KILL_REASON) -> list[OperatorResult]:
    """End jobs; an attempt in flight is fenced off. Fates in order."""
    results = await _transit(store, dict.fromkeys(job_ids, Killed(reason=reason)), OperatorFate.KILLED)
    return [results[job_id] for job_id in job_ids]


async def retry(
    store: Store,
    job_ids: Sequence[str],
    *,
    resend_unknown: bool = False,
    delays: Sequence[float] | None = None,
) -> list[OperatorResult]:
    """Make failed jobs pending again, each due after its delay in seconds (None: at once). In order."""
    events: dict[str, Event] = {}
    for job_id, delay in zip(job_ids, delays or [0.0] * len(job_ids), strict=True):
        events.setdefault(job_id, Retried(resend_unknown=resend_unknown, delay=delay))
    results = await _transit(store, events, OperatorFate.RETRIED)
    return [results[job_id] for job_id in job_ids]


async def reschedule(store: Store, job_ids: Sequence[str], change: Rescheduled) -> list[OperatorResult]:
    """Change when pending jobs are due, or their priority; others are ``illegal``. Fates in order."""
    bulk, fate, results = has(store, Reschedules), OperatorFate.RESCHEDULED, dict[str, OperatorResult]()
    for some in chunks(job_ids, UNREAD_AT_ONCE):
        done = await bulk.reschedule(some, change) if bulk else ()
        results |= {job_id: OperatorResult(job_id=job_id, fate=fate) for job_id in done}
    left = [job_id for job_id in job_ids if job_id not in results]
    results |= await _transit(store, dict.fromkeys(left, change), fate)
    return [results[job_id] for job_id in job_ids]


async def clear(store: Store, job_ids: Sequence[str]) -> list[OperatorResult]:
    """Delete jobs that have ended; others are ``illegal``, as is what the database keeps. Fates in order."""
    deleted: dict[str, str | None] = {}
    for some in chunks(job_ids):
        deleted |= await store.delete(some)
    others = [job_id for job_id in dict.fromkeys(job_ids) if job_id not in deleted]
    left = await _read(store.find, others) if others else {}
    fates = {job_id: _left(job_id, left.get(job_id)) for job_id in others}
    fates |= {job_id: _deleted(job_id, refusal) for job_id, refusal in deleted.items()}
    return [fates[job_id] for job_id in job_ids]


async def _transit(
    store: Store, events: Mapping[str, Event], done: OperatorFate
) -> dict[str, OperatorResult]:
    """Do to jobs what events make of them; their fates, by the ids that were given."""
    results: dict[str, OperatorResult] = {}
    for some in chunks(events):
        left, tries = some, 0
        while left and tries < TRIES:
            results |= await _try(store, {job_id: events[job_id] for job_id in left}, done)
            left = [job_id for job_id in left if results[job_id].fate is OperatorFate.CHANGED]
            tries += 1
    return results


async def _try(store: Store, wanted: Mapping[str, Event], done: OperatorFate) -> dict[str, OperatorResult]:
    """Read jobs, decide, write; the fate of those whose row has changed meanwhile is ``changed``."""
    jobs, settlements = await _read(store.find, list(wanted)), dict[str, Settlement]()
    fates: dict[str, OperatorResult] = {}
    for job_id, event in wanted.items():
        job = jobs.get(job_id)
        if job is None:
            fates[job_id] = OperatorResult(job_id=job_id, fate=OperatorFate.NOT_FOUND)
        elif job.id not in fates and job.id not in settlements:
            try:
                settlements[job.id] = settlement_of(job, event)
            except IllegalTransition as error:
                illegal = OperatorFate.ILLEGAL
                fates[job.id] = OperatorResult(job_id=job.id, fate=illegal, problem=str(error))
    written = await store.settle(list(settlements.values())) if settlements else []
    for settlement, result in zip(settlements.values(), written, strict=True):
        fates[settlement.job_id] = _result(settlement, result, done)
    return {
        job_id: attrs.evolve(fates[jobs[job_id].id if job_id in jobs else job_id], job_id=job_id)
        for job_id in wanted
    }


async def _read(find: Find, job_ids: Sequence[str]) -> dict[str, Job]:
    """Read jobs by the ids that are given, which may be in another notation than jobs have them in.

    Notations of one id have the same letters and digits: where that tells them apart, one read is enough.
    """
    jobs = {job.id: job for job in await find(JobQuery(ids=tuple(job_ids), limit=len(job_ids)))}
    others = [job_id for job_id in job_ids if job_id not in jobs]
    alike = {_letters(job_id): job for job_id, job in jobs.items()} if others else {}
    unnamed = jobs.keys() - set(job_ids)
    for job_id in others:
        likely = alike.get(_letters(job_id))
        if likely is not None and likely.id in unnamed:
            unnamed.remove(likely.id)
            jobs[job_id] = likely
    for job_id in others:
        if job_id not in jobs and (unnamed or _letters(job_id) in alike):
            jobs.update((job_id, job) for job in await find(JobQuery(ids=(job_id,), limit=1)))
    return jobs


def _letters(job_id: str) -> str:
    return "".join(filter(str.isalnum, job_id)).lower()


def _result(settlement: Settlement, result: SettleResult, done: OperatorFate) -> OperatorResult:
    fates = {SettleFate.SETTLED: done, SettleFate.DUPLICATE: OperatorFate.DUPLICATE}
    fate, problem = fates.get(result.fate, OperatorFate.CHANGED), result.problem
    if problem and fate is OperatorFate.CHANGED:
        problem = f"job {result.job_id} is as it was: {problem}"
        fate = OperatorFate.ILLEGAL if done is OperatorFate.RESCHEDULED else fate
    transition = settlement.as_written(result).transition if fate is done else None
    return OperatorResult(job_id=result.job_id, fate=fate, problem=problem, transition=transition)


def _deleted(job_id: str, refusal: str | None) -> OperatorResult:
    if refusal is None:
        return OperatorResult(job_id=job_id, fate=OperatorFate.CLEARED)
    problem = f"job {job_id} can't be deleted: {refusal}"
    return OperatorResult(job_id=job_id, fate=OperatorFate.ILLEGAL, problem=problem)


def _left(job_id: str, left: Job | None) -> OperatorResult:
    if left is None:
        return OperatorResult(job_id=job_id, fate=OperatorFate.NOT_FOUND)
    problem = f"job {job_id} is {left.status.value}: only ended jobs are cleared; see: sp00ky jobs kill"
    if left.is_terminal:
        problem = f"job {job_id} can't be deleted: the database refuses it"
    return OperatorResult(job_id=job_id, fate=OperatorFate.ILLEGAL, problem=problem)


async def report_settled(jobs: NamedJobs, hooks: Hooks, results: Sequence[OperatorResult]) -> None:
    """Call ``sp00ky_job_settled`` for each job that was written; a fault of the store is logged."""
    written = {result.job_id: result.transition for result in results if result.transition is not None}
    if not written or not hooks.observes("sp00ky_job_settled"):
        return
    try:
        listed = await _read(jobs.find, list(written))
        for job_id, transition in written.items():
            job = listed.get(job_id)
            if job is None or job.omitted:
                job = await jobs.get(job_id)
            hooks.dispatch_soon("sp00ky_job_settled", job=job, transition=transition)
    except Sp00kyError as error:  # the kills are durable all the same
        logger.warning("not every kill was reported to the plugins: %s", error)
