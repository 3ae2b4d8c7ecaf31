"""Log failed attempts, a line for each; many of one kind in a short time are summed up in one."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from sp00ky_core.job import AttemptError, JobStatus
from sp00ky_core.machine import Transition
from sp00ky_core.runner.in_flight import Held

logger = logging.getLogger(__name__)

MOST = 100
"""Lines of one backend and one kind of failure in ``WINDOW``; of throttled answers, which repeat, one."""

WINDOW = 10.0
"""Seconds."""

_FAILED, _RETRIED, _DEFERRED = "failed", "are retried", "are deferred"

_Kind = tuple[str, str, str]


class FailureLog:
    """Logs what attempts ended with: 50,000 bad rows in a row are no 50,000 lines."""

    def __init__(self) -> None:
        self._seen: Counter[_Kind] = Counter()
        self._timers: dict[_Kind, asyncio.TimerHandle] = {}

    def log(self, held: Held, transition: Transition) -> None:
        """Log a failure, or count it."""
        if transition.error is None:
            return
        what = _what(held, transition)
        kind = (held.backend.name, transition.error.name, what)
        if kind not in self._timers:
            self._timers[kind] = asyncio.get_running_loop().call_later(WINDOW, self._sum_up, kind)
        self._seen[kind] += 1
        if self._seen[kind] <= _most(what):
            _log(held, transition, transition.error, what)

    def close(self) -> None:
        """Log what was only counted so far."""
        for kind, timer in list(self._timers.items()):
            timer.cancel()
            self._sum_up(kind)

    def _sum_up(self, kind: _Kind) -> None:
        del self._timers[kind]
        backend, name, what = kind
        more = self._seen.pop(kind) - _most(what)
        if more > 0:
            level = logging.WARNING if what == _FAILED else logging.INFO
            logger.log(level, "%d more jobs of %s %s within %.0f s: %s", more, backend, what, WINDOW, name)


def _most(what: str) -> int:
    return 1 if what == _DEFERRED else MOST


def _what(held: Held, transition: Transition) -> str:
    if transition.to is JobStatus.FAILED:
        return _FAILED
    # A throttled answer that counts, after `giveUpAfter`, is a retry as any other.
    return _DEFERRED if transition.defers and transition.retries == held.job.retries else _RETRIED


def _log(held: Held, transition: Transition, error: AttemptError, what: str) -> None:
    job = (held.job.id, held.backend.name, held.job.path)
    why, delay = (error.name, error.reason), transition.delay or 0.0
    if what == _FAILED:
        logger.warning("%s (%s %r) failed: attempt %d: %s: %s", *job, error.attempt, *why)
    elif what == _DEFERRED:
        logger.info("%s (%s %r) is deferred for %.1f s: %s: %s", *job, delay, *why)
    else:
        logger.info("%s (%s %r) is retried in %.1f s: attempt %d: %s: %s", *job, delay, error.attempt, *why)
