"""Make an attempt: refuse what may not be sent, hand on the rest, see what comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.error_texts import near_miss
from sp00ky_core.job.job import Job, facts_of, named
from sp00ky_core.job.outcome import (
    EXPIRED,
    HOOK_FAILED,
    INVALID_PATH,
    INVALID_PAYLOAD,
    INVALID_ROW,
    OUTCOME_UNKNOWN,
    TIMEOUT,
    UNKNOWN_ROUTE,
    Delivered,
    Outcome,
    Undelivered,
)
from sp00ky_core.plugins.dispatch import HookFailed, Hooks
from sp00ky_core.ports import Attempt, Transport
from sp00ky_core.runner.holdings import Held
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.slots import Answer
from sp00ky_openapi import Contract
from sp00ky_openapi.payload import PayloadCheck
from sp00ky_openapi.safety import spelling_problem

_MOST_VIOLATIONS = 5  # that an error entry lists

logger: logging.Logger = logging.getLogger(__name__)


@attrs.define(eq=False, slots=False)
class Attempts:
    """Makes attempts."""

    _transports: Mapping[str, Transport]
    _hooks: Hooks
    _options: RunnerOptions

    def __attrs_post_init__(self) -> None:
        observes = self._hooks.observes
        self._observed = observes("sp00ky_attempt_started") or observes("sp00ky_attempt_finished")
        self._adds_headers = observes("sp00ky_request_headers")
        self._classifies = observes("sp00ky_classify_outcome")
        self._is_unwatched = not (self._observed or self._classifies or self._options.log_attempts)

    def begin(self, held: Held) -> Undelivered | Awaitable[Outcome]:
        """Hand a job to its transport; return why it isn't sent, or what awaits its outcome."""
        job, backend, check = held.job, held.backend, held.check
        if check is None or job.defect is not None:
            return _refusal(job, backend.contract)
        if backend.config.check_rows and (reason := _problem(check, job)):
            return Undelivered(name=INVALID_PAYLOAD, reason=reason)
        try:
            headers = self._hooks.request_headers(job, backend.config) if self._adds_headers else {}
        except HookFailed as error:
            self._started(held, check, {}, self._options.clock())
            return Undelivered(name=HOOK_FAILED, reason=str(error))
        now = self._options.clock()
        if job.expires_at is not None and held.has_expired(now):
            return Undelivered(name=EXPIRED, reason="expires_at has passed")
        attempt = self._started(held, check, headers, now)
        return self._transports[backend.config.name].deliver(attempt)

    def _started(self, held: Held, check: PayloadCheck, headers: Mapping[str, str], now: float) -> Attempt:
        job = held.job
        held.started_at = now
        held.attempt = attempt = Attempt(
            job=job,
            backend=held.backend.config,
            operation=check.operation,
            number=job.retries + 1,
            timeout=held.timeout,
            last=job.retries >= job.max_retries,
            headers=headers,
        )
        if self._observed:
            self._hooks.dispatch_soon("sp00ky_attempt_started", attempt=attempt)
        return attempt

    def outcome(self, held: Held, answer: Answer) -> Outcome:
        """Return the outcome of an attempt by what its transport gave or raised, as plugins classify it."""
        if isinstance(answer, Delivered) and self._is_unwatched and not held.overdue:
            return answer  # as nearly always
        if held.overdue and (task := asyncio.current_task()) is not None:
            task.uncancel()  # the worker goes on: only its attempt was cut off
        outcome = answer if isinstance(answer, (Delivered, Undelivered)) else _fault(held, answer)
        if held.attempt is None:
            return outcome  # it was never sent
        if self._classifies or isinstance(outcome, Undelivered):
            outcome = self._hooks.classify_outcome(held.job, held.backend.config, outcome)
        held.code, held.scheme, held.ended_at = outcome.code, outcome.scheme, self._options.clock()
        if self._observed:
            facts = {"attempt": held.attempt, "outcome": outcome}
            seconds = held.ended_at - (held.started_at or held.claimed_at)
            self._hooks.dispatch_soon("sp00ky_attempt_finished", **facts, seconds=seconds)
        return outcome


def _problem(check: PayloadCheck, job: Job) -> str:
    """Say how a row's payload breaks the contract; empty: it doesn't."""
    try:
        payload = decode(job.payload_json, unique_keys=True)
    except ValueError as error:
        return str(error)
    return "; ".join(map(str, check.violations(payload)[:_MOST_VIOLATIONS]))


def _fault(held: Held, answer: object) -> Undelivered:
    """Return the outcome of an attempt that has none: the fault of a transport must not cost the job."""
    if isinstance(answer, asyncio.CancelledError):
        if held.overdue:
            return Undelivered(name=TIMEOUT, reason="the transport didn't keep to the timeout")
        return Undelivered(name=OUTCOME_UNKNOWN, reason="cut off: the runner had to stop")
    if held.attempt is None and isinstance(answer, BaseException):
        raise answer  # it is no transport's
    error = answer if isinstance(answer, BaseException) else None
    did = "returned no outcome" if error is None else f"raised {type(error).__name__}"
    text = "%s: the transport of backend %s %s"
    logger.error(text, named(held.job), held.backend.name, did, exc_info=error, extra=facts_of(held.job))
    return Undelivered(name=OUTCOME_UNKNOWN, reason=f"the transport {did}")


def _refusal(job: Job, contract: Contract) -> Undelivered:
    if job.defect is not None:
        return Undelivered(name=INVALID_ROW, reason=job.defect)
    problem = spelling_problem(job.path)
    if problem is not None:
        return Undelivered(name=INVALID_PATH, reason=problem)
    why_not = contract.why_not(job.path)
    unknown = f"isn't a route of the backend{near_miss(job.path, contract.near(job.path))}"
    problem = f"can't be called: {why_not}" if why_not else unknown
    return Undelivered(name=UNKNOWN_ROUTE, reason=f"{job.path[:200]!r} {problem}")
