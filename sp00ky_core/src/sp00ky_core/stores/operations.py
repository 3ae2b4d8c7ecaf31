"""Reclaim: read, decide, write under a guard. The same in every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sp00ky_core.job.job import Job
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.job.state_machine import Event, Lost, decide
from sp00ky_core.ports import (
    LONGEST_LEASE,
    OverdueClaim,
    SettleFate,
    Settlement,
    SettleResult,
)

__all__ = ["DecidingStore", "settlement_of"]


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
