"""Kill, redrive, reclaim, reschedule, clear: read, decide, write under a guard. The same in every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from sp00ky_core.errors import IllegalTransition
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.machine import Event, Killed, Lost, Redriven, decide
from sp00ky_core.ports import (
    LONGEST_LEASE,
    OperatorFate,
    OperatorResult,
    OverdueClaim,
    Reschedule,
    SettleFate,
    Settlement,
    SettleResult,
)
from sp00ky_core.retry import MAX_RETRIES, RetryPolicy

__all__ = ["DecidingStore", "settlement_of"]

TRIES = 5
"""How often a row that changes between the read and the guarded write is read again."""


class DecidingStore(ABC):
    """A base for stores: an adapter writes six private calls, and inherits five of the port."""

    @abstractmethod
    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        """Return the jobs of these ids that exist, whole, in any order; unknown tables are left out."""

    @abstractmethod
    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Write transitions, each under its guard; their fates, in order."""

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

    @abstractmethod
    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """Delete those of these jobs that have ended; their ids, each with None.

        One that the database keeps has what it said of it instead, and costs no other.
        """

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        """Change those of these jobs that are ``pending``; their ids, each with None.

        ``updated_at`` moves, so that ``watch`` yields them; nothing else does. One that the database refuses
        to write has what it said of it instead, and costs no other. (A store that overrides ``reschedule``
        needs none of this.)
        """
        raise NotImplementedError

    def _canonical(self, job_id: str) -> str:
        """Return an id as jobs of this store have it, where it may be given in other ways too."""
        return job_id

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
        results = await self._apply(settlements) if settlements else []
        pairs = zip(settlements, results, strict=True)
        return [each.as_written(result) for each, result in pairs if result.fate is SettleFate.SETTLED]

    async def kill(
        self, job_ids: Sequence[str], *, reason: str = "killed by an operator"
    ) -> list[OperatorResult]:
        """See ``Store.kill``."""
        return await self._operate(job_ids, [Killed(reason=reason)] * len(job_ids), OperatorFate.KILLED)

    async def redrive(
        self,
        job_ids: Sequence[str],
        *,
        resend_unknown: bool = False,
        delays: Sequence[float] | None = None,
    ) -> list[OperatorResult]:
        """See ``Store.redrive``."""
        spread = [0.0] * len(job_ids) if delays is None else delays
        events = [Redriven(resend_unknown=resend_unknown, delay=each) for each in spread]
        return await self._operate(job_ids, events, OperatorFate.REDRIVEN)

    async def reschedule(self, job_ids: Sequence[str], change: Reschedule) -> list[OperatorResult]:
        """See ``Store.reschedule``."""
        asked = [self._canonical(each) for each in job_ids]
        done = await self._reschedule(list(dict.fromkeys(asked)), change)
        left = {job.id: job for job in await self._load([each for each in asked if each not in done])}
        results = [
            _written(each, done[each], OperatorFate.RESCHEDULED, "rescheduled")
            if each in done
            else _unscheduled(each, left.get(each))
            for each in asked
        ]
        return _as_asked(job_ids, results)

    async def clear(self, job_ids: Sequence[str]) -> list[OperatorResult]:
        """See ``Store.clear``."""
        asked = [self._canonical(each) for each in job_ids]
        ended = await self._delete_ended(asked)
        left = {job.id: job for job in await self._load([each for each in asked if each not in ended])}
        results = [
            _written(each, ended[each], OperatorFate.CLEARED, "deleted")
            if each in ended
            else _left(each, left.get(each))
            for each in asked
        ]
        return _as_asked(job_ids, results)

    async def _operate(
        self, job_ids: Sequence[str], events: Sequence[Event], done: OperatorFate
    ) -> list[OperatorResult]:
        results: dict[str, OperatorResult] = {}
        asked = [self._canonical(each) for each in job_ids]
        wanted: dict[str, Event] = {}
        for job_id, event in zip(asked, events, strict=True):
            wanted.setdefault(job_id, event)  # of an id that is given twice the first counts
        for _ in range(TRIES):
            if not wanted:
                break
            results |= await self._operate_once(wanted, done)
            wanted = {
                job_id: event
                for job_id, event in wanted.items()
                if results[job_id].fate is OperatorFate.CHANGED
            }
        return _as_asked(job_ids, [results[job_id] for job_id in asked])

    async def _operate_once(
        self, wanted: Mapping[str, Event], done: OperatorFate
    ) -> dict[str, OperatorResult]:
        jobs = await self._load(list(wanted))
        found = {job.id for job in jobs}
        results = {
            job_id: OperatorResult(job_id=job_id, fate=OperatorFate.NOT_FOUND)
            for job_id in wanted
            if job_id not in found
        }
        settlements, refused = _decide_all(jobs, wanted)
        results |= refused
        written = await self._apply(settlements) if settlements else []
        for settlement, result in zip(settlements, written, strict=True):
            fate = {SettleFate.SETTLED: done, SettleFate.DUPLICATE: OperatorFate.DUPLICATE}.get(
                result.fate, OperatorFate.CHANGED
            )
            problem = result.problem
            if problem and fate is OperatorFate.CHANGED:
                problem = f"job {result.job_id} is as it was: {problem}"
            results[result.job_id] = OperatorResult(
                job_id=result.job_id,
                fate=fate,
                problem=problem,
                transition=settlement.as_written(result).transition if fate is done else None,
            )
        return results


def _as_asked(job_ids: Sequence[str], results: Sequence[OperatorResult]) -> list[OperatorResult]:
    """Results under the ids that were given, in whatever notation."""
    pairs = zip(job_ids, results, strict=True)
    return [attrs.evolve(result, job_id=job_id) for job_id, result in pairs]


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


def _decide_all(
    jobs: Iterable[Job], events: Mapping[str, Event]
) -> tuple[list[Settlement], dict[str, OperatorResult]]:
    settlements: list[Settlement] = []
    refused: dict[str, OperatorResult] = {}
    for job in jobs:
        try:
            settlements.append(settlement_of(job, events[job.id]))
        except IllegalTransition as error:
            refused[job.id] = OperatorResult(job_id=job.id, fate=OperatorFate.ILLEGAL, problem=str(error))
    return settlements, refused


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


def _written(job_id: str, refusal: str | None, done: OperatorFate, verb: str) -> OperatorResult:
    if refusal is None:
        return OperatorResult(job_id=job_id, fate=done)
    problem = f"job {job_id} can't be {verb}: {refusal}"
    return OperatorResult(job_id=job_id, fate=OperatorFate.ILLEGAL, problem=problem)


def _unscheduled(job_id: str, left: Job | None) -> OperatorResult:
    if left is None:
        return OperatorResult(job_id=job_id, fate=OperatorFate.NOT_FOUND)
    if left.status is JobStatus.PENDING:  # it was claimed, or held by another transaction, a moment ago
        return OperatorResult(job_id=job_id, fate=OperatorFate.CHANGED)
    problem = f"job {job_id} is {left.status.value}: only pending jobs are rescheduled"
    return OperatorResult(job_id=job_id, fate=OperatorFate.ILLEGAL, problem=problem)


def _left(job_id: str, left: Job | None) -> OperatorResult:
    if left is None:
        return OperatorResult(job_id=job_id, fate=OperatorFate.NOT_FOUND)
    problem = f"job {job_id} is {left.status.value}: only ended jobs are cleared; see: sp00ky jobs kill"
    if left.is_terminal:
        problem = f"job {job_id} can't be deleted: the database refuses it"
    return OperatorResult(job_id=job_id, fate=OperatorFate.ILLEGAL, problem=problem)
