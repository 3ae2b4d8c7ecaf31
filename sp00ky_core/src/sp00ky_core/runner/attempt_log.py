"""Log attempts: a line for each that failed, or for all; many failures of a kind in a short time are one.

A record has attributes for handlers that write them apart: ``event``, ``job_id``, ``backend``, ``path``,
``attempt``, ``epoch``, ``outcome``, ``code``, ``duration_ms`` and ``runner_id``. None holds the words of a
backend: they may be the payload's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import said, status_text
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.observe.counters import outcome_of
from sp00ky_core.runner.in_flight import Held

logger: logging.Logger = logging.getLogger(__name__)

WINDOW = 10.0
"""Seconds."""

MOST = 100
"""Lines of one backend and one kind of failure in ``WINDOW``..."""

MOST_OF: Mapping[str, int] = {"retry": 10, "throttled": 1}
"""...and of those that are repeated anyway."""

_GOES_ON = {"retry": "retried", "throttled": "deferred", "unknown": "retried"}

_Kind = tuple[str, str, str, bool]
"""Backend, the failure's name, outcome, whether its job has failed."""


class AttemptLog:
    """Logs what attempts ended with: 50,000 bad rows in a row are no 50,000 lines.

    Args:
        log_all: Log each attempt, also those that were delivered.
    """

    def __init__(self, *, log_all: bool = False) -> None:
        self._log_all = log_all
        self._seen: Counter[_Kind] = Counter()
        self._timers: dict[_Kind, asyncio.TimerHandle] = {}

    def log(self, held: Held, transition: Transition) -> None:
        """Log an attempt, or count it."""
        if transition.error is None and transition.to is JobStatus.PENDING:
            return  # given back: no attempt was made
        if self._log_all:
            _log(held, transition)
        elif transition.error is not None:
            outcome, has_failed = _outcome(held, transition), _failed(transition)
            kind = (held.backend.name, transition.error.name, outcome, has_failed)
            if kind not in self._timers:
                self._timers[kind] = asyncio.get_running_loop().call_later(WINDOW, self._sum_up, kind)
            self._seen[kind] += 1
            if self._seen[kind] <= _most(kind):
                _log(held, transition)

    def close(self) -> None:
        """Log what was only counted so far."""
        for kind, timer in list(self._timers.items()):
            timer.cancel()
            self._sum_up(kind)

    def _sum_up(self, kind: _Kind) -> None:
        del self._timers[kind]
        backend, name, outcome, has_failed = kind
        more = self._seen.pop(kind) - _most(kind)
        if more > 0:
            what = "failed" if has_failed else f"are {_GOES_ON[outcome]}"
            level = logging.WARNING if has_failed else logging.INFO
            facts = {"event": "attempts", "backend": backend, "outcome": outcome, "count": more}
            text = "%d more jobs of %s %s within %.0f s: %s"
            logger.log(level, text, more, backend, what, WINDOW, name, extra=facts)


def _outcome(held: Held, transition: Transition) -> str:
    return outcome_of(transition, held.job.retries) or "retry"


def _failed(transition: Transition) -> bool:
    return transition.to is JobStatus.FAILED


def _most(kind: _Kind) -> int:
    return MOST_OF.get(kind[2], MOST)


def _log(held: Held, transition: Transition) -> None:
    outcome = _outcome(held, transition)
    facts = _facts(held, outcome)
    text = f"{held.job.id} ({held.backend.name} {held.job.path!r}) {_fate(transition, outcome)}"
    if outcome != "throttled":
        text += f": attempt {facts['attempt']}"
    if transition.error is not None:
        text += f": {said(transition.error)}"
    if outcome == "success" and facts["duration_ms"] is not None:
        status = status_text(held.scheme, held.code)
        text += f": {status}{' ' if status else ''}in {facts['duration_ms']:.0f} ms"
    logger.log(logging.WARNING if _failed(transition) else logging.INFO, "%s", text, extra=facts)


def _fate(transition: Transition, outcome: str) -> str:
    if transition.to is JobStatus.PENDING:
        when = "for" if outcome == "throttled" else "in"
        return f"is {_GOES_ON[outcome]} {when} {transition.delay or 0.0:.1f} s"
    return "failed" if _failed(transition) else "is delivered"


def _facts(held: Held, outcome: str) -> dict[str, Any]:
    job, started, ended = held.job, held.started_at, held.ended_at
    took = None if started is None or ended is None else round(1000 * (ended - started), 1)
    return {
        "event": "attempt",
        "job_id": job.id,
        "backend": held.backend.name,
        "path": job.path,
        "attempt": job.retries + 1,
        "epoch": job.lease_epoch,
        "outcome": outcome,
        "code": held.code,
        "duration_ms": took,
        "runner_id": job.runner_id,
    }
