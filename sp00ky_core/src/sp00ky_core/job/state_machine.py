"""Name what may happen to a job, and decide its next status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import JsonText, encode
from sp00ky_core.errors import IllegalTransition
from sp00ky_core.job.job import AttemptError, Job, JobStatus
from sp00ky_core.job.outcome import EXPIRED, KILLED, OUTCOME_UNKNOWN, Delivered, Undelivered
from sp00ky_core.job.retry import STRATEGIES, RetryPolicy, Strategy, next_delay

__all__ = ["MAX_ERRORS", "MAX_REASON_BYTES", "MAX_TRACE_BYTES", "TABLE", "Claimed", "Deferred", "Event"]
__all__ += ["Expired", "Killed", "Lost", "Retried", "Released", "Rescheduled", "Transition", "decide"]
__all__ += ["has_unknown_outcome"]


@attrs.frozen(kw_only=True)
class Claimed:
    """A runner took the job."""


@attrs.frozen(kw_only=True)
class Lost:
    """The attempt's end is unknown: its lease ran out, or its runner is dead.

    Attributes:
        reason: Why it counts as lost, in words.
    """

    reason: str


@attrs.frozen(kw_only=True)
class Released:
    """The claim is given back: its attempt never started."""


@attrs.frozen(kw_only=True)
class Deferred:
    """The claim is given back with a delay, and uses up no retry.

    Attributes:
        delay: Seconds until the job is due again.
        outcome: What the backend answered, if it was asked (``throttled``): appended to ``errors``; a job
            with ``max_retries = 0`` ends with it, if its one request was made, and so does one whose answer
            isn't retryable (``giveUpOn``). None: nothing was sent.
        waited: Seconds since the first deferral of those in a row.
        give_up_after: Seconds of waiting after which ``outcome`` counts as an attempt.
        rests: The job's own code waits, for as long as that takes: ``outcome`` never counts, and is appended
            only where it has a reason.
    """

    delay: float
    outcome: Undelivered | None = None
    rests: bool = False
    waited: float = 0.0
    give_up_after: float = 86_400.0


@attrs.frozen(kw_only=True)
class Expired:
    """The job's ``expires_at`` had passed when it was to be sent: nothing was."""


@attrs.frozen(kw_only=True)
class Killed:
    """An operator ended the job.

    Attributes:
        reason: Why, in words.
    """

    reason: str = "killed by an operator"


@attrs.frozen(kw_only=True)
class Retried:
    """An operator wants the failed job tried again.

    Attributes:
        resend_unknown: Also where a request that must not be repeated may have arrived.
        delay: Seconds until it is due.
    """

    resend_unknown: bool = False
    delay: float = 0.0


@attrs.frozen(kw_only=True)
class Rescheduled:
    """An operator changes when a pending job is due, or its priority.

    Attributes:
        run_at: When it is to be due; or
        delay: seconds from now, by the database's clock; neither: as it was.
        priority: None: as it was.
    """

    run_at: datetime | None = None
    delay: float | None = None
    priority: int | None = None


Event = (
    Claimed | Delivered | Undelivered | Lost | Released | Deferred | Expired | Killed | Retried | Rescheduled
)
"""Anything that may happen to a job, which ``decide`` is asked about."""

MAX_ERRORS = 50
"""Entries kept in ``errors``: the first and the latest 49."""

MAX_REASON_BYTES = 2_048
"""Bytes of an error entry's ``reason``; what is longer is cut."""

MAX_RULE = 200
"""Characters at the end of a ``reason`` that are kept for the rule that ended the job."""

MAX_TRACE_BYTES = 4_096
"""Bytes of an error entry's ``trace``, of which the end is kept."""


@attrs.frozen(kw_only=True, slots=False)  # faster to make, which is done for each job
class Transition:
    """A decision as data; a store applies it under a guard on id, epoch and status.

    Attributes:
        to: The next status.
        retries: Retries made by then.
        delay: Seconds: run_at = now + delay; None leaves run_at as it is.
        error: Appended.
        result_json: The backend's answer.
        bumps_epoch: Writes of the attempt in flight are fenced off.
        keeps_lease: Else lease_until and runner_id are cleared.
        after_lease: Run_at = max(now + delay, lease_until).
        defers: Deferred_since stays, or is now where there is none; else it is cleared.
        keeps_deferral: Deferred_since stays as it is: nothing was sent, so no wait has ended.
        run_at: The instant itself, where that was asked for.
        priority: Another one; None leaves it as it is.
        request_id: What the backend called its answer; None leaves it as it is.
    """

    to: JobStatus
    retries: int
    delay: float | None = None
    error: AttemptError | None = None
    result_json: bytes | None = None
    bumps_epoch: bool = False
    keeps_lease: bool = False
    after_lease: bool = False
    defers: bool = False
    keeps_deferral: bool = False
    run_at: datetime | None = None
    priority: int | None = None
    request_id: str | None = None


_How = tuple[RetryPolicy, float, Mapping[str, Strategy]]
"""How a job is retried: its policy, a number for the jitter, and what strategies' names mean."""


def _claimed(job: Job, _event: Claimed, _how: _How) -> Transition:
    return Transition(to=JobStatus.PROCESSING, retries=job.retries, bumps_epoch=True, keeps_deferral=True)


def _delivered(job: Job, event: Delivered, _how: _How) -> Transition:
    if event.result is None and event.request_id is None:
        return _succeeded(job.retries)
    try:
        is_text = event.result is None or isinstance(event.result, JsonText)
        result_json = event.result if is_text else encode(event.result)
    except (TypeError, ValueError):  # a lone surrogate, NaN: the backend took the job all the same
        result_json = None
    return Transition(
        to=JobStatus.SUCCESS, retries=job.retries, result_json=result_json, request_id=event.request_id
    )


@lru_cache(maxsize=64)  # as data they are alike, and made for each job
def _succeeded(retries: int) -> Transition:
    return Transition(to=JobStatus.SUCCESS, retries=retries)


def _undelivered(job: Job, event: Undelivered, how: _How) -> Transition:
    policy, random, strategies = how
    left = event.is_retryable and _retries_left(job, policy)
    error = _entry(job, event, "" if left else _rule(job, event, policy))
    # Its request may still be under way; and it is a mark that outlives a table that can't hold errors.
    keeps_lease = event.name == OUTCOME_UNKNOWN
    ends = Transition(
        to=JobStatus.FAILED,
        retries=job.retries,
        error=error,
        keeps_lease=keeps_lease,
        request_id=event.request_id,
    )
    if not left:
        return ends
    retry = _made(job) + 1
    delay = event.again_in
    if delay is None:
        delay = next_delay(policy, retry, random=random, retry_after=event.retry_after, strategies=strategies)
    return attrs.evolve(ends, to=JobStatus.PENDING, retries=retry, delay=delay)


def _lost(job: Job, event: Lost, how: _How) -> Transition:
    unknown, left = Undelivered(name=OUTCOME_UNKNOWN, reason=event.reason), _retries_left(job, how[0])
    error = _entry(job, unknown, "" if left else _rule(job, unknown, how[0]))
    return Transition(
        to=JobStatus.PENDING if left else JobStatus.FAILED,
        retries=_made(job) + left,
        error=error,
        bumps_epoch=True,
        keeps_lease=True,
    )


def _released(job: Job, _event: Released, _how: _How) -> Transition:
    return Transition(to=JobStatus.PENDING, retries=job.retries, keeps_deferral=True)


def _deferred(job: Job, event: Deferred, how: _How) -> Transition:
    outcome = event.outcome
    if event.rests:
        error = _entry(job, outcome) if outcome is not None and outcome.reason else None
        return Transition(to=JobStatus.PENDING, retries=job.retries, delay=event.delay, error=error)
    if outcome is not None and _counts(job, outcome, event, how[0]):
        if event.waited > event.give_up_after:
            outcome = attrs.evolve(outcome, rule=f"giveUpAfter ({event.give_up_after:g} s) has passed")
        counted = _undelivered(job, outcome, how)
        return attrs.evolve(counted, defers=counted.to is JobStatus.PENDING)  # the next one counts too
    waits = Transition(to=JobStatus.PENDING, retries=job.retries, delay=event.delay, defers=True)
    if outcome is None:
        return waits
    return attrs.evolve(waits, error=_entry(job, outcome), request_id=outcome.request_id)


def _counts(job: Job, outcome: Undelivered, event: Deferred, policy: RetryPolicy) -> bool:
    """Whether a throttled answer is as good as a failed attempt."""
    is_only_one = outcome.sent and min(job.retries_allowed, policy.max_retries) <= 0
    is_final = not outcome.is_retryable or is_only_one
    return is_final or event.waited > event.give_up_after


def _expired(job: Job, _event: Expired, _how: _How) -> Transition:
    error = _entry(job, Undelivered(name=EXPIRED, reason="expires_at had passed before it could be sent"))
    return Transition(to=JobStatus.FAILED, retries=job.retries, error=error)


def _killed(job: Job, event: Killed, _how: _How) -> Transition:
    error = _entry(job, Undelivered(name=KILLED, reason=event.reason))
    error = attrs.evolve(error, runner_id=None)
    return Transition(
        to=JobStatus.FAILED, retries=job.retries, error=error, bumps_epoch=True, keeps_lease=True
    )


def _retried(job: Job, event: Retried, _how: _How) -> Transition:
    if job.redacted_at is not None:
        hint = "copy it with another payload: sp00ky jobs copy ID --payload ..."
        raise IllegalTransition(job_id=job.id, status="redacted", event="retried", hint=hint)
    if not job.retries_allowed and has_unknown_outcome(job) and not event.resend_unknown:
        raise IllegalTransition(
            job_id=job.id,
            status="failed with its outcome unknown, and max_retries = 0",
            event="retried",
            hint="the backend may have taken it: ask there first, then pass `resend_unknown`",
        )
    return Transition(
        to=JobStatus.PENDING,
        retries=0,
        delay=event.delay,
        bumps_epoch=True,
        keeps_lease=True,
        after_lease=True,
    )


def _rescheduled(job: Job, event: Rescheduled, _how: _How) -> Transition:
    return Transition(
        to=JobStatus.PENDING,
        retries=job.retries,
        delay=event.delay,
        run_at=event.run_at,
        priority=event.priority,
        keeps_lease=True,
        keeps_deferral=True,
    )


Rule = Callable[[Job, Any, _How], Transition]  # of the one event that its key in the table names

TABLE: Mapping[tuple[JobStatus, type[Event]], tuple[Rule, frozenset[JobStatus]]] = {
    (JobStatus.PENDING, Claimed): (_claimed, frozenset({JobStatus.PROCESSING})),
    (JobStatus.PROCESSING, Delivered): (_delivered, frozenset({JobStatus.SUCCESS})),
    (JobStatus.PROCESSING, Undelivered): (_undelivered, frozenset({JobStatus.PENDING, JobStatus.FAILED})),
    (JobStatus.PROCESSING, Lost): (_lost, frozenset({JobStatus.PENDING, JobStatus.FAILED})),
    (JobStatus.PROCESSING, Released): (_released, frozenset({JobStatus.PENDING})),
    (JobStatus.PROCESSING, Deferred): (_deferred, frozenset({JobStatus.PENDING, JobStatus.FAILED})),
    (JobStatus.PROCESSING, Expired): (_expired, frozenset({JobStatus.FAILED})),
    (JobStatus.PENDING, Killed): (_killed, frozenset({JobStatus.FAILED})),
    (JobStatus.PROCESSING, Killed): (_killed, frozenset({JobStatus.FAILED})),
    (JobStatus.PENDING, Rescheduled): (_rescheduled, frozenset({JobStatus.PENDING})),
    (JobStatus.FAILED, Retried): (_retried, frozenset({JobStatus.PENDING})),
}
"""The rule that decides what follows an event in a status, and the statuses that it may lead to. No other
event is legal in that status."""


def decide(
    job: Job,
    event: Event,
    policy: RetryPolicy,
    *,
    random: float = 0.5,
    strategies: Mapping[str, Strategy] = STRATEGIES,
) -> Transition:
    """Choose a job's next status: the only place where that is done. ``random``: uniform in [0, 1).

    Raises:
        IllegalTransition: the table has no such row.
        UnknownStrategy: the policy names an unknown strategy.
    """
    row = TABLE.get((job.status, type(event)))
    if row is None:
        raise IllegalTransition(job_id=job.id, status=job.status.value, event=type(event).__name__.lower())
    return row[0](job, event, (policy, random, strategies))


def has_unknown_outcome(job: Job) -> bool:
    """Whether a request of the job's last attempt may have arrived without anyone knowing how it ended.

    Reclaim, a kill in flight and a failure as unknown keep the lease, also where a table can't hold errors.
    """
    return job.lease_until is not None or bool(job.errors and job.errors[-1].name == OUTCOME_UNKNOWN)


def _retries_left(job: Job, policy: RetryPolicy) -> bool:
    return _made(job) < _allowed(job, policy)


def _allowed(job: Job, policy: RetryPolicy) -> int:
    # No setting may allow more than the row does: with max_retries = 0 a request is never repeated.
    return max(min(policy.max_retries, job.retries_allowed), 0)


def _rule(job: Job, outcome: Undelivered, policy: RetryPolicy) -> str:
    """Say which rule ends a job; empty: the answer's own name does."""
    none_left = f"no retry left of {_allowed(job, policy)}" if outcome.is_retryable else ""
    return ", ".join(filter(None, (none_left, outcome.rule)))


def _made(job: Job) -> int:
    return max(job.retries, 0)  # a client can write less, and would get more attempts


def _entry(job: Job, outcome: Undelivered, rule: str = "") -> AttemptError:
    in_flight = job.status is JobStatus.PROCESSING
    return AttemptError(
        attempt=_made(job) + in_flight,
        code=outcome.code,
        name=outcome.name,
        reason=_cut(outcome.reason, f"; not tried again: {rule}"[:MAX_RULE] if rule else ""),
        runner_id=job.runner_id,
        scheme=outcome.scheme,
        trace=_storable(outcome.trace)[-MAX_TRACE_BYTES:].decode(errors="ignore"),
    )


def _cut(reason: str, end: str) -> str:
    kept, last = _storable(reason), _storable(end)
    return (kept[: MAX_REASON_BYTES - len(last)].decode(errors="ignore") + last.decode()).removeprefix("; ")


def _storable(text: str) -> bytes:
    return text.replace("\0", "\ufffd").encode(errors="replace")
