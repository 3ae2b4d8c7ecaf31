"""Reclaim and clear: read, decide, write under a guard. The same in every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import attrs

from sp00ky_core.job import Job
from sp00ky_core.machine import Event, Lost, decide
from sp00ky_core.ports import (
    LONGEST_LEASE,
    JobQuery,
    OperatorFate,
    OperatorResult,
    OverdueClaim,
    SettleFate,
    Settlement,
    SettleResult,
)
from sp00ky_core.retry import MAX_RETRIES, RetryPolicy

__all__ = ["DecidingStore", "settlement_of"]


class DecidingStore(ABC):
    """A base for stores: an adapter writes three private calls, and inherits two of the port."""

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""

    @abstractmethod
    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``."""

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
        results = await self.settle(settlements) if settlements else []
        pairs = zip(settlements, results, strict=True)
        return [each.as_written(result) for each, result in pairs if result.fate is SettleFate.SETTLED]

    async def clear(self, job_ids: Sequence[str]) -> list[OperatorResult]:
        """See ``Store.clear``."""
        asked = [self._canonical(each) for each in job_ids]
        ended = await self._delete_ended(asked)
        others = tuple(each for each in asked if each not in ended)
        found = await self.find(JobQuery(ids=others, limit=len(others))) if others else []
        left = {job.id: job for job in found}
        results = [
            _deleted(each, ended[each]) if each in ended else _left(each, left.get(each)) for each in asked
        ]
        return _as_asked(job_ids, results)


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
