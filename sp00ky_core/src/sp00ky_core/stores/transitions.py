"""Reclaim: read, decide, write under a guard. The same in every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import attrs

from sp00ky_core.errors import IllegalTransition
from sp00ky_core.job.job import Job
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.job.state_machine import Event, Killed, Lost, Redriven, Rescheduled, decide
from sp00ky_core.ports import (
    LONGEST_LEASE,
    JobQuery,
    OperatorFate,
    OperatorResult,
    OverdueClaim,
    SettleFate,
    Settlement,
    SettleResult,
    Store,
)

__all__ = ["KILL_REASON", "DecidingStore", "clear", "kill", "redrive", "reschedule", "settlement_of"]


class DecidingStore(ABC):
    """A base for stores: an adapter writes two private calls, and inherits one of the port."""

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""

    @abstractmethod
    async def _lost(
        self,
        dead_runners: Collection[str],
        *,
        beating: Collection[str],
        overdue: Collection[OverdueClaim],
        limit: int,
    ) -> list[Job]:
        """List ``processing`` rows to be reclaimed.

        Those of ``dead_runners``. Of those whose lease is over (run out, missing, or beyond
        ``LONGEST_LEASE``): those whose runner isn't one of ``beating``, and those named in ``overdue``.
        """

    @abstractmethod
    async def _beats(self) -> Mapping[str, datetime]:
        """Return when each runner has last beaten, as ``beat`` gives it."""

    async def reclaim(
        self,
        dead_runners: Mapping[str, datetime],
        *,
        beating: Collection[str] = (),
        overdue: Collection[OverdueClaim] = (),
        limit: int = 500,
    ) -> list[Settlement]:
        """See ``Store.reclaim``."""
        found = await self._lost(dead_runners, beating=beating, overdue=overdue, limit=limit)
        spared = set(beating).difference(dead_runners)
        named = {(each.job_id, each.epoch, each.runner_id) for each in overdue}
        jobs = [job for job in found if job.runner_id not in spared or _claim_of(job) in named]
        if any(job.runner_id in dead_runners for job in jobs):
            # A runner claims after it has beaten: who hasn't by now has made none of these claims since.
            beats = await self._beats()
            alive = {each for each, seen in dead_runners.items() if beats.get(each, seen) != seen}
            jobs = [job for job in jobs if job.runner_id not in alive]
        settlements = [settlement_of(job, Lost(reason=_loss(job, dead_runners))) for job in jobs]
        results = await self.settle(settlements) if settlements else []
        pairs = zip(settlements, results, strict=True)
        return [each.as_written(result) for each, result in pairs if result.fate is SettleFate.SETTLED]


def settlement_of(job: Job, event: Event) -> Settlement:
    """Decide what an event that no backend caused makes of a job. Raises ``IllegalTransition``."""
    # A hostile row's max_retries is out of a policy's range.
    policy = RetryPolicy(max_retries=min(max(job.max_retries, 0), MAX_RETRIES))
    return Settlement(
        job_id=job.id,
        backend=job.backend,
        epoch=job.lease_epoch,
        runner_id=job.runner_id,
        status=job.status,
        transition=decide(job, event, policy),
    )


def _claim_of(job: Job) -> tuple[str, int, str | None]:
    return job.id, job.lease_epoch, job.runner_id


def _loss(job: Job, dead: Collection[str]) -> str:
    if job.lease_until is None:
        return "processing without a lease: a client or an older runner wrote it so"
    if not job.lease_epoch:
        return "no claim wrote its lease"
    if job.runner_id in dead:
        return f"its runner {job.runner_id} stopped beating"
    if job.updated_at and (job.lease_until - job.updated_at).total_seconds() > LONGEST_LEASE:
        return "its lease ends later than any can: no runner wrote it"
    return "its lease ran out"


KILL_REASON = "killed by an operator"

AT_ONCE = 500
"""Jobs that are read and written at a time."""

TRIES = 5
"""How often a row that changes between the read and the guarded write is read again."""


async def kill(store: Store, job_ids: Sequence[str], *, reason: str = KILL_REASON) -> list[OperatorResult]:
    """End jobs; an attempt in flight is fenced off. Fates in order."""
    return await _transit(store, job_ids, [Killed(reason=reason)] * len(job_ids), OperatorFate.KILLED)


async def redrive(
    store: Store,
    job_ids: Sequence[str],
    *,
    resend_unknown: bool = False,
    delays: Sequence[float] | None = None,
) -> list[OperatorResult]:
    """Make failed jobs pending again, each due after its delay in seconds (None: at once). In order."""
    spread = [0.0] * len(job_ids) if delays is None else delays
    events = [Redriven(resend_unknown=resend_unknown, delay=delay) for delay in spread]
    return await _transit(store, job_ids, events, OperatorFate.REDRIVEN)


async def reschedule(store: Store, job_ids: Sequence[str], change: Rescheduled) -> list[OperatorResult]:
    """Change when pending jobs are due, or their priority; others are ``illegal``. Fates in order."""
    return await _transit(store, job_ids, [change] * len(job_ids), OperatorFate.RESCHEDULED)


async def clear(store: Store, job_ids: Sequence[str]) -> list[OperatorResult]:
    """Delete jobs that have ended; others are ``illegal``, as is what the database keeps. Fates in order."""
    ids, deleted = list(dict.fromkeys(job_ids)), dict[str, str | None]()
    for start in range(0, len(ids), AT_ONCE):
        deleted |= await store.delete(ids[start : start + AT_ONCE])
    others = [job_id for job_id in ids if job_id not in deleted]
    left = await _read(store, others) if others else {}
    fates = {job_id: _left(job_id, left.get(job_id)) for job_id in others}
    fates |= {job_id: _deleted(job_id, refusal) for job_id, refusal in deleted.items()}
    return [fates[job_id] for job_id in job_ids]


async def _transit(
    store: Store, job_ids: Sequence[str], events: Sequence[Event], done: OperatorFate
) -> list[OperatorResult]:
    """Do to jobs what events make of them; of an id that is given twice the first counts."""
    wanted: dict[str, Event] = {}
    for job_id, event in zip(job_ids, events, strict=True):
        wanted.setdefault(job_id, event)
    results: dict[str, OperatorResult] = {}
    ids = list(wanted)
    for start in range(0, len(ids), AT_ONCE):
        left = ids[start : start + AT_ONCE]
        for _ in range(TRIES):
            results |= await _try(store, {job_id: wanted[job_id] for job_id in left}, done)
            left = [job_id for job_id in left if results[job_id].fate is OperatorFate.CHANGED]
            if not left:
                break
    return [results[job_id] for job_id in job_ids]


async def _try(store: Store, wanted: Mapping[str, Event], done: OperatorFate) -> dict[str, OperatorResult]:
    """Read jobs, decide, write; the fates of those whose row has changed meanwhile is ``changed``."""
    jobs, settlements = await _read(store, list(wanted)), dict[str, Settlement]()
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
        each: attrs.evolve(fates[jobs[each].id if each in jobs else each], job_id=each) for each in wanted
    }


async def _read(store: Store, job_ids: Sequence[str]) -> dict[str, Job]:
    """Read jobs by the ids that are given, which may be in another notation than jobs have them in."""
    found = await store.find(JobQuery(ids=tuple(job_ids), limit=len(job_ids)))
    jobs = {job.id: job for job in found}
    if jobs.keys() <= set(job_ids):
        return jobs
    for job_id in job_ids:
        if job_id not in jobs:
            for job in await store.find(JobQuery(ids=(job_id,), limit=1)):
                jobs[job_id] = job
    return jobs


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
