"""Decide what becomes of a job and its row, and of lost claims.

Stores that write in their database's language follow it; the memory store and the model use it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

import attrs

from sp00ky_core.job.job import AttemptError, Job, JobStatus
from sp00ky_core.job.outcome import DEFERRED_NAMES
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.job.state_machine import MAX_ERRORS, Event, Lost, Transition, decide
from sp00ky_core.ports import LONGEST_LEASE, OverdueClaim, SettleFate, Settlement, SettleResult

__all__ = ["DecidingStore", "LostOptions", "appended", "applied", "settlement_of"]


def applied(job: Job, transition: Transition, now: datetime) -> Job:
    """Return the job after the transition."""
    keeps = transition.keeps_lease
    claimed_at = job.updated_at if job.status is JobStatus.PROCESSING else None
    return attrs.evolve(
        job,
        status=transition.to,
        retries=transition.retries,
        errors=appended(job.errors, transition.error, now, claimed_at),
        result_json=transition.result_json if transition.result_json is not None else job.result_json,
        run_at=_run_at(job, transition, now),
        priority=job.priority if transition.priority is None else transition.priority,
        request_id=job.request_id if transition.request_id is None else transition.request_id,
        deferred_since=_deferred_since(job, transition, now),
        lease_until=job.lease_until if keeps else None,
        runner_id=job.runner_id if keeps else None,
        lease_epoch=job.lease_epoch + transition.bumps_epoch,
        updated_at=now,
        claimed_at=claimed_at or job.claimed_at,
    )


def appended(
    errors: tuple[AttemptError, ...],
    error: AttemptError | None,
    now: datetime,
    claimed_at: datetime | None,
) -> tuple[AttemptError, ...]:
    """Append an entry; the first and the latest 49 are kept.

    One of ``DEFERRED_NAMES`` that follows another of its name replaces it: its ``since`` is when the first of
    them came, its ``count`` how many they are.
    """
    if error is None:
        return errors
    last = errors[-1] if errors else None
    if last is not None and last.name == error.name and error.name in DEFERRED_NAMES:
        error = attrs.evolve(error, since=last.since or last.at, count=last.count + 1)
        errors = errors[:-1]
    whole = (*errors, attrs.evolve(error, at=now, claimed_at=claimed_at))
    return whole if len(whole) <= MAX_ERRORS else (whole[0], *whole[1 - MAX_ERRORS :])


def _deferred_since(job: Job, transition: Transition, now: datetime) -> datetime | None:
    if transition.defers:
        return job.deferred_since or now
    return job.deferred_since if transition.keeps_deferral else None


def _run_at(job: Job, transition: Transition, now: datetime) -> datetime | None:
    if transition.delay is None:
        return transition.run_at or job.run_at
    run_at = now + timedelta(seconds=transition.delay)
    if transition.after_lease and job.lease_until is not None:
        return max(run_at, job.lease_until)
    return run_at


class LostOptions(TypedDict):
    """Options of ``DecidingStore._lost``, which are those of ``Store.reclaim``."""

    beating: Collection[str]
    overdue: Collection[OverdueClaim]
    limit: int


class DecidingStore(ABC):
    """A base for stores: an adapter writes two private calls, and inherits one of the port."""

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""

    @abstractmethod
    async def _lost(self, dead_runners: Collection[str], **options: Unpack[LostOptions]) -> list[Job]:
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
        lost = await self._lost(dead_runners, beating=beating, overdue=overdue, limit=limit)
        spared = set(beating).difference(dead_runners)
        named = {(claim.job_id, claim.epoch, claim.runner_id) for claim in overdue}
        jobs = [job for job in lost if job.runner_id not in spared or _claim_of(job) in named]
        if any(job.runner_id in dead_runners for job in jobs):
            # A runner claims after it has beaten: who hasn't by now has made none of these claims since.
            beats = await self._beats()
            alive = {runner for runner, seen in dead_runners.items() if beats.get(runner, seen) != seen}
            jobs = [job for job in jobs if job.runner_id not in alive]
        settlements = [settlement_of(job, Lost(reason=_loss(job, dead_runners))) for job in jobs]
        results = await self.settle(settlements) if settlements else []
        pairs = zip(settlements, results, strict=True)
        return [
            settlement.as_written(result) for settlement, result in pairs if result.fate is SettleFate.SETTLED
        ]


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
