"""Make an attempt: refuse what may not be sent, hand on the rest, cut off what takes too long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

import attrs

from sp00ky_core.contract import Contract
from sp00ky_core.contract.payload import PayloadCheck
from sp00ky_core.contract.safety import spelling_problem
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.job.job import Job
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
from sp00ky_core.plugins.calls import HookFailed, Hooks
from sp00ky_core.ports import Attempt, Transport
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.slots import Held

_MOST_VIOLATIONS = 5  # that an error entry lists

OVERDUE_AFTER = 5.0
"""Seconds past its timeout after which an attempt is cut off, should a transport not have kept to it."""

logger: logging.Logger = logging.getLogger(__name__)


@attrs.define(eq=False, slots=False)
class Attempts:
    """Makes attempts, and knows when one has to be cut off."""

    _transports: Mapping[str, Transport]
    _hooks: Hooks
    _options: RunnerOptions

    def __attrs_post_init__(self) -> None:
        observes = self._hooks.observes
        self._observed = observes("sp00ky_attempt_started") or observes("sp00ky_attempt_finished")
        self._adds_headers = observes("sp00ky_request_headers")
        self._classifies = self._hooks.decides("sp00ky_classify_outcome")
        self._logs_all = self._options.log_attempts

    async def attempt(self, held: Held) -> Outcome:
        """Deliver a job. Never raises; cancelled, it says that the outcome is unknown."""
        attempt = self._attempt(held)
        if isinstance(attempt, Undelivered):
            return attempt
        now = self._options.clock()
        if held.job.expires_at is not None and held.has_expired(now):
            return Undelivered(name=EXPIRED, reason="expires_at has passed")
        held.started_at = now
        if self._observed:
            self._hooks.dispatch_soon("sp00ky_attempt_started", attempt=attempt)
        try:
            outcome = await self._transports[attempt.backend.name].deliver(attempt)
        except asyncio.CancelledError:
            outcome = _cut_off(held)
        except Exception as error:  # a transport of a stranger: its fault must not cost the job
            logger.exception("the transport of backend %s failed", held.backend.name)
            outcome = Undelivered(name=OUTCOME_UNKNOWN, reason=f"the transport raised {type(error).__name__}")
        if held.overdue and (task := asyncio.current_task()) is not None:
            task.uncancel()  # the worker goes on: only its attempt was cut off
        return self._judged(held, attempt, outcome)

    def cut_off(self, helds: Iterable[Held]) -> None:
        """Cancel the attempts whose transport hasn't kept to their timeout."""
        now = self._options.clock()
        for held in helds:
            late = held.started_at is not None and now > held.started_at + held.timeout + OVERDUE_AFTER
            if late and held.worker is not None and not held.overdue:
                held.overdue = True
                held.worker.cancel()

    def _judged(self, held: Held, attempt: Attempt, outcome: Outcome) -> Outcome:
        """Let plugins classify an outcome, and observe it."""
        if not isinstance(outcome, (Delivered, Undelivered)):  # a union would be made each time
            logger.error("the transport of backend %s returned no outcome", held.backend.name)  # type: ignore[unreachable]  # a stranger's may
            outcome = Undelivered(name=OUTCOME_UNKNOWN, reason="the transport returned no outcome")
        if self._classifies or isinstance(outcome, Undelivered):
            outcome = self._hooks.classify_outcome(held.job, held.backend.config, outcome)
        held.code, held.scheme = outcome.code, outcome.scheme
        if self._logs_all or isinstance(outcome, Undelivered):
            held.ended_at = self._options.clock()
        if self._observed:
            seconds = self._options.clock() - (held.started_at or held.claimed_at)
            self._hooks.dispatch_soon(
                "sp00ky_attempt_finished", attempt=attempt, outcome=outcome, seconds=seconds
            )
        return outcome

    def _attempt(self, held: Held) -> Attempt | Undelivered:
        job, backend = held.job, held.backend
        check = backend.contract.check(job.path) if job.defect is None else None
        if check is None:
            return _refusal(job, backend.contract)
        if backend.config.check_rows and (reason := _problem(check, job)):
            return Undelivered(name=INVALID_PAYLOAD, reason=reason)
        try:
            headers = self._hooks.request_headers(job, backend.config) if self._adds_headers else {}
        except HookFailed as error:
            return Undelivered(name=HOOK_FAILED, reason=str(error))
        return Attempt(
            job=job,
            backend=backend.config,
            operation=check.operation,
            number=job.retries + 1,
            timeout=held.timeout,
            last=job.retries >= job.max_retries,
            headers=headers,
        )


def _problem(check: PayloadCheck, job: Job) -> str:
    """Say how a row's payload breaks the contract; empty: it doesn't."""
    try:
        payload = decode(job.payload_json, unique_keys=True)
    except ValueError as error:
        return str(error)
    return "; ".join(map(str, check.violations(payload)[:_MOST_VIOLATIONS]))


def _cut_off(held: Held) -> Undelivered:
    if held.overdue:
        return Undelivered(name=TIMEOUT, reason="the transport didn't keep to the timeout")
    return Undelivered(name=OUTCOME_UNKNOWN, reason="cut off: the runner had to stop")


def _refusal(job: Job, contract: Contract) -> Undelivered:
    if job.defect is not None:
        return Undelivered(name=INVALID_ROW, reason=job.defect)
    problem = spelling_problem(job.path)
    if problem is not None:
        return Undelivered(name=INVALID_PATH, reason=problem)
    shown = repr(job.path[:200])
    if reason := contract.why_not(job.path):
        return Undelivered(name=UNKNOWN_ROUTE, reason=f"{shown} can't be called: {reason}")
    return Undelivered(
        name=UNKNOWN_ROUTE, reason=f"{shown} isn't an operation of the backend's OpenAPI document"
    )
