"""Decide what becomes of a job, what limits leave to a claim, and which jobs meet conditions.

Stores that write in their database's language follow it; the memory store and the model use it.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack

import attrs

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.job import AttemptError, Job, JobStatus
from sp00ky_core.job.outcome import DEFERRED_NAMES
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy
from sp00ky_core.job.state_machine import MAX_ERRORS, Event, Lost, Transition, decide
from sp00ky_core.ports import (
    LONGEST_LEASE,
    JobFilter,
    JobQuery,
    JobTable,
    OverdueClaim,
    SettleFate,
    Settlement,
    SettleResult,
)

__all__ = ["DecidingStore", "LostOptions", "appended", "applied", "settlement_of"]
__all__ += ["FULL", "PASSED", "Allowance"]
__all__ += ["BEGINNING", "age_of", "is_overdue", "matches", "unknown_entry"]
__all__ += ["COMPARED"]


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


PASSED = 0.02
"""Seconds until another claim where this one passes, for another is at the same backend."""

FULL = 0.25
"""Seconds until another claim where as many attempts are in flight as may be; their end sends no signal."""


@attrs.frozen(kw_only=True)
class Allowance:
    """Hold what a backend's limits leave for a claim.

    Attributes:
        tokens: Requests that the rate allows now; infinite without a rate.
        per_second: Tokens that come in a second; infinite without a rate.
        places: Attempts that may begin; infinite without a limit.
        is_ahead: The tokens were counted at an instant that is yet to come: the clock has gone back.
    """

    tokens: float = math.inf
    per_second: float = math.inf
    places: float = math.inf
    is_ahead: bool = False

    @classmethod
    def of(
        cls, table: JobTable, now: datetime, *, tokens: float | None, at: datetime | None, in_flight: int = 0
    ) -> Allowance:
        """Count what a table's limits leave.

        Args:
            table: The table.
            now: The time, by the database's clock.
            tokens: As the last claim wrote them down; None: none did.
            at: When it did.
            in_flight: Attempts that may be under way; it counts only where there is a limit.
        """
        places = math.inf if table.max_in_flight is None else table.max_in_flight - in_flight
        if (rate := table.rate) is None:
            return cls(places=places)
        elapsed = 0.0 if at is None else max((now - at).total_seconds(), 0.0)
        come = rate.burst if tokens is None else tokens + elapsed * rate.per_second
        return cls(
            tokens=min(rate.burst, come),
            per_second=rate.per_second,
            places=places,
            is_ahead=at is not None and at > now,
        )

    def grant(self, slots: int) -> int:
        """Return how many of so many jobs may be claimed."""
        return max(math.floor(min(slots, self.tokens, self.places)), 0)

    def tokens_after(self, taken: int) -> float | None:
        """Return the tokens to be written down after a claim, with its time; None: nothing is."""
        has_changed = math.isfinite(self.tokens) and (taken or self.is_ahead)
        return self.tokens - taken if has_changed else None

    def retry_in(self, slots: int, taken: int) -> float | None:
        """Return the seconds until there may be more, after a claim of so many; None: limits left none."""
        if not taken == self.grant(slots) < slots:
            return None
        missing = max(1 - (self.tokens - taken), 0.0)
        for_token = math.ceil(missing / self.per_second * 1e6) / 1e6  # the clock's resolution
        return max(for_token, FULL if self.places - taken < 1 else 0.0)


BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Stands for an instant that a row doesn't have; before every other."""


COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
}
"""The comparison that each operator of a condition means."""


def matches(job: Job, conditions: JobFilter) -> bool:
    """Whether a job meets every condition of a filter, or of a query (its page aside)."""
    if isinstance(conditions, JobQuery) and conditions.ids is not None and job.id not in conditions.ids:
        return False
    return conditions.backend in {None, job.backend} and all(
        _is_met(_value_of(job, column), comparison, asked)
        for column, comparison, asked in conditions.comparisons()
    )


def _is_met(value: object, comparison: str, asked: object) -> bool:
    """Compare as databases do: what is missing meets nothing."""
    return value is not None and COMPARED[comparison](value, asked)


def _value_of(job: Job, column: str) -> object:
    field = column.removeprefix("last_error_")
    if field != column:
        return getattr(job.errors[-1], field) if job.errors else None
    return getattr(job, column)


def age_of(job: Job) -> tuple[datetime, str]:
    """Return the key that sorts jobs by age, the oldest first."""
    return job.created_at or BEGINNING, job.id


def is_overdue(job: Job, now: datetime) -> bool:
    """Whether a ``processing`` job's lease has run out, is missing, or ends later than any lease can."""
    until = job.lease_until
    return until is None or not now < until <= now + timedelta(seconds=LONGEST_LEASE)


def unknown_entry(entry_id: str) -> OptionInvalid:
    """Return the error for a page of the audit after an entry that is missing."""
    return OptionInvalid(option="after", value=shown(entry_id), expected="the id of an audit entry")
