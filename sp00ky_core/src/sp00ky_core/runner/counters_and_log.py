"""Count what a runner does; log its attempts, and outages of the database.

Each attempt that failed has a line, or every attempt; many failures of a kind in a short time share one. A
record has attributes for handlers that write them apart: ``event``, ``job_id``, ``backend``, ``path``,
``attempt``, ``epoch``, ``outcome``, ``code``, ``duration_ms`` and ``runner_id``. None holds the words of a
backend: they may be the payload's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from sp00ky_core.errors import Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.job.job import JobStatus, facts_of, said
from sp00ky_core.job.outcome import OUTCOME_UNKNOWN, Outcome, status_text
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.observe.rates import Counters, outcome_of
from sp00ky_core.ports import Settlement
from sp00ky_core.runner.holdings import Held

logger: logging.Logger = logging.getLogger(__name__)

SUCCESS = JobStatus.SUCCESS
"""The status of a success: to look it up in its enumeration takes longer than to compare it."""

AGAIN = 60.0
"""Seconds until it is said again, of a database that stays away, or of the same error."""


@attrs.define
class Observer:
    """Counts what a runner does; logs an outage and its end, and the same error once a minute.

    Many calls meet them many times.

    Attributes:
        clock: Seconds, monotonic; the runner's.
        counters: Where it is counted.
    """

    clock: Callable[[], float] = time.monotonic
    counters: Counters = attrs.field(factory=Counters)
    _lost_at: float | None = None
    _say_at: float = 0.0
    _said: dict[str, float] = attrs.field(factory=dict)  # until when each error isn't said again

    def ended(self, held: Held, settlement: Settlement, outcome: Outcome | None) -> None:
        """Count an attempt that has ended; None: a fault in the runner has ended it."""
        transition = settlement.transition
        # Most attempts succeed: for these it is a look-up and three additions.
        how = "success" if transition.to is SUCCESS else outcome_of(transition, held.job.retries)
        if how is None:
            return
        started, path, backend = held.started_at, held.job.path, held.backend
        if backend.config.isolation == "route":
            path = ""  # routes are rows, as many as there are customers
        elif started is None and backend.contract.operation(path) is None:
            path = ""
        seconds = None if started is None else self.clock() - started
        self.counters.attempt((held.job.backend, path, how, 0 if outcome is None else outcome.code), seconds)

    def reclaimed(self, settlement: Settlement) -> None:
        """Count an attempt that another runner has lost."""
        error = settlement.transition.error
        if error is not None and error.name == OUTCOME_UNKNOWN:
            self.counters.attempt((settlement.backend, "", "unknown", 0))

    def failed(self, doing: str, error: Sp00kyError) -> None:
        """Count a call that failed, and log it unless an outage that was logged already explains it."""
        self.count(error)
        now = self.clock()
        if not isinstance(error, StoreUnavailable):
            is_news = now >= self._said.get(str(error), now)
            logger.log(logging.WARNING if is_news else logging.DEBUG, "%s: %s", doing, error)
            if is_news:
                self._said = {text: until for text, until in self._said.items() if until > now}
                self._said[str(error)] = now + AGAIN
            return
        if self._lost_at is None:
            self._lost_at = self._say_at = now
        if now < self._say_at:
            logger.debug("%s: %s", doing, error)
            return
        self._say_at = now + AGAIN
        text = "the database can't be reached, jobs wait and outcomes are kept: %s: %s"
        logger.warning(text, doing, error, extra={"event": "store_lost"})

    def count(self, error: Sp00kyError) -> None:
        """Count a call of the store that failed."""
        self.counters.store_errors += isinstance(error, StoreError)

    @contextmanager
    def tolerating(self, doing: str, level: int = logging.DEBUG) -> Iterator[None]:
        """Count and log a call that fails, and go on: it is made again later anyway, or was the last try."""
        try:
            yield
        except Sp00kyError as error:
            self.count(error)
            logger.log(level, "%s: %s", doing, error)

    def worked(self) -> None:
        """Log the end of an outage, if there was one."""
        if self._lost_at is None:
            return
        seconds, self._lost_at = self.clock() - self._lost_at, None
        logger.warning("the database is back after %.1f s", seconds, extra={"event": "store_back"})


WINDOW = 10.0
"""Seconds in which failures of one kind share their lines of the log."""

MOST = 100
"""Lines that one backend and one kind of failure get in a ``WINDOW``."""

MOST_OF: Mapping[str, int] = {"retry": 10, "throttled": 1}
"""Lines that failures get in a ``WINDOW`` whose jobs are tried again anyway, by outcome."""

_GOES_ON = {"retry": "retried", "throttled": "deferred", "unknown": "retried"}

_Kind = tuple[str, str, str, bool]
"""What failures of one kind have in common: backend, name, outcome, and whether the job has failed."""


class AttemptLog:
    """Logs how attempts ended: 50,000 bad rows in a row don't make 50,000 lines.

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
        outcome = outcome_of(transition, held.job.retries) or "retry"
        if self._log_all:
            _log(held, transition, outcome)
        elif transition.error is not None:
            has_failed = transition.to is JobStatus.FAILED
            kind = (held.backend.name, transition.error.name, outcome, has_failed)
            if kind not in self._timers:
                self._timers[kind] = asyncio.get_running_loop().call_later(WINDOW, self._sum_up, kind)
            self._seen[kind] += 1
            if self._seen[kind] <= MOST_OF.get(outcome, MOST):
                _log(held, transition, outcome)

    def close(self) -> None:
        """Log what was only counted so far."""
        for kind, timer in list(self._timers.items()):
            timer.cancel()
            self._sum_up(kind)

    def _sum_up(self, kind: _Kind) -> None:
        del self._timers[kind]
        backend, name, outcome, has_failed = kind
        more = self._seen.pop(kind) - MOST_OF.get(outcome, MOST)
        if more > 0:
            fate = "failed" if has_failed else f"are {_GOES_ON[outcome]}"
            level = logging.WARNING if has_failed else logging.INFO
            facts = {"event": "attempts", "backend": backend, "outcome": outcome, "count": more}
            text = "%d more jobs of %s %s within %.0f s: %s"
            logger.log(level, text, more, backend, fate, WINDOW, name, extra=facts)


def _log(held: Held, transition: Transition, outcome: str) -> None:
    facts = _facts(held, outcome)
    of = f", trace {held.job.trace}" if held.job.trace else ""
    text = f"{held.job.id} ({held.backend.name} {held.job.path!r}{of}) {_fate(transition, outcome)}"
    if outcome != "throttled":
        text += f": attempt {facts['attempt']}"
    if transition.error is not None:
        text += f": {said(transition.error)}"
    if outcome == "success" and facts["duration_ms"] is not None:
        status = status_text(held.scheme, held.code)
        text += f": {status}{' ' if status else ''}in {facts['duration_ms']:.0f} ms"
    level = logging.WARNING if transition.to is JobStatus.FAILED else logging.INFO
    logger.log(level, "%s", text, extra=facts)


def _fate(transition: Transition, outcome: str) -> str:
    if transition.to is JobStatus.PENDING:
        when = "for" if outcome == "throttled" else "in"
        return f"is {_GOES_ON[outcome]} {when} {transition.delay or 0.0:.1f} s"
    return "failed" if transition.to is JobStatus.FAILED else "is delivered"


def _facts(held: Held, outcome: str) -> dict[str, Any]:
    job, started, ended = held.job, held.started_at, held.ended_at
    took = None if started is None or ended is None else round(1000 * (ended - started), 1)
    return {
        "event": "attempt",
        **facts_of(job),
        "backend": held.backend.name,
        "path": job.path,
        "attempt": job.retries + 1,
        "epoch": job.lease_epoch,
        "outcome": outcome,
        "code": held.code,
        "duration_ms": took,
    }
