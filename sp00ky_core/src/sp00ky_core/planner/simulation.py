"""Simulate an outage on a virtual clock: each attempt is decided as a runner decides it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple

import attrs

from sp00ky_core.breaker import is_unavailable
from sp00ky_core.config import BackendConfig, BreakerConfig
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.machine import Deferred, Transition, decide
from sp00ky_core.outcome import CONNECT, HTTP_STATUS, THROTTLED, TIMEOUT, Delivered, Outcome, Undelivered
from sp00ky_core.planner.gate import Gate
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.retry import RetryPolicy, Strategy

__all__ = ["FAILURES", "LONGEST_OUTAGE", "MOST_ATTEMPTS", "Forecast", "Outage", "Rules", "forecasts"]

LONGEST_OUTAGE = 30 * 86_400.0
"""Seconds."""

MOST_ATTEMPTS = 1_000_000
"""Jobs times the attempts that each may have: so many take some 10 s for each kind of failure."""

FAILURES: Mapping[str, Undelivered] = {
    "refused": Undelivered(name=CONNECT),
    "timeout": Undelivered(name=TIMEOUT),
    "503": Undelivered(name=HTTP_STATUS, code=503),
    "500": Undelivered(name=HTTP_STATUS, code=500),
    "429": Undelivered(name=THROTTLED, code=429),
}
"""Answers of a backend during an outage, by the name that the forecast has."""


@attrs.frozen(kw_only=True)
class Outage:
    """An outage, and the jobs that are enqueued while it lasts.

    Attributes:
        seconds: Its length.
        jobs: Enqueued evenly in that time.
        latency: Seconds that an attempt takes, unless it times out.
    """

    seconds: float
    jobs: int
    latency: float


@attrs.frozen(kw_only=True)
class Forecast:
    """The end of an outage's jobs.

    Attributes:
        failure: What the backend did meanwhile: a key of ``FAILURES``.
        breaker: Whether the backend had one; None: it makes no difference.
        failed: Jobs that ended as failed.
        requests: Requests to the backend during the outage.
        arrivals: Seconds from the outage's end to when each of the others was delivered, ascending.
    """

    failure: str
    breaker: bool | None
    failed: int
    requests: int
    arrivals: tuple[float, ...]

    @property
    def delivered(self) -> int:
        """Jobs that were delivered."""
        return len(self.arrivals)

    def arrived(self, share: float) -> float | None:
        """Return the seconds after which this share of the delivered jobs had arrived; None: none did."""
        if not self.arrivals:
            return None
        return self.arrivals[max(round(share * len(self.arrivals)) - 1, 0)]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "failure": self.failure,
            "breaker": self.breaker,
            "delivered": self.delivered,
            "failed": self.failed,
            "requests": self.requests,
            "after_end_s": {name: self.arrived(share) for name, share in SHARES.items()},
        }


SHARES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "last": 1.0}
"""Shares of the delivered jobs whose arrival is reported."""


DELIVERED = Delivered()


@attrs.frozen(kw_only=True, slots=False)
class Rules:
    """The rules for a backend's jobs, as its runners have them.

    Attributes:
        backend: Its configuration; ``retry.max_retries`` and ``retry.strategy`` are those of the jobs.
        hooks: Decisions of plugins.
        strategies: The meaning of strategies' names.
    """

    backend: BackendConfig
    hooks: Hooks
    strategies: Mapping[str, Strategy]

    def job(self, retries: int) -> Job:
        """Return a job that is processing, after so many retries."""
        retry = self.backend.retry
        return Job(
            id="",
            backend=self.backend.name,
            path="",
            payload_json=b"{}",
            status=JobStatus.PROCESSING,
            retries=retries,
            max_retries=retry.max_retries,
            retry_strategy=retry.strategy,
        )

    @cached_property
    def policy(self) -> RetryPolicy:
        """The policy of a job at its first attempt."""
        return self.hooks.retry_policy(self.job(0), self.backend)


def forecasts(rules: Rules, outage: Outage) -> Iterator[Forecast]:
    """Yield what becomes of the jobs: for each kind of failure with and without a breaker.

    The same each time: what is random in it comes from a fixed seed.
    """
    config = rules.backend.breaker or BreakerConfig()
    ended: dict[object, Forecast] = {}
    for failure in FAILURES:
        bare = _Simulation(_with_breaker(rules, None), outage, failure)
        if bare.kind not in ended:  # without a breaker, failures that are treated alike end alike
            ended[bare.kind] = bare.run()
        if is_unavailable(bare.outcome):
            guarded = _Simulation(_with_breaker(rules, config), outage, failure).run()
            yield attrs.evolve(guarded, breaker=True)
            yield attrs.evolve(ended[bare.kind], failure=failure, breaker=False)
        else:  # no breaker counts it
            yield attrs.evolve(ended[bare.kind], failure=failure)


def _with_breaker(rules: Rules, config: BreakerConfig | None) -> Rules:
    return attrs.evolve(rules, backend=attrs.evolve(rules.backend, breaker=config))


class _Attempt(NamedTuple):  # a heap compares them: natively
    ends_at: float
    job: int
    due_at: float
    started_at: float
    is_probe: bool


class _Simulation:
    """One outage: jobs that are due, attempts in flight, and a clock that jumps to what comes next."""

    def __init__(self, rules: Rules, outage: Outage, failure: str) -> None:
        self._gate = Gate(rules.backend)
        self._rules, self._outage, self._failure = rules, outage, failure
        self._job = lru_cache(rules.job)
        self.outcome = rules.hooks.classify_outcome(rules.job(0), rules.backend, FAILURES[failure])
        is_slow = FAILURES[failure].name == TIMEOUT
        self._failing_takes = rules.backend.timeout if is_slow else outage.latency
        self._random = Random(0).random  # noqa: S311  # for jitter, the same each time
        self._now = 0.0
        self._due = [(outage.seconds * number / outage.jobs, number) for number in range(outage.jobs)]
        self._retries = [0] * outage.jobs
        self._deferred_since: dict[int, float] = {}
        self._in_flight: list[_Attempt] = []
        self._failed = self._requests = 0
        self._arrivals: list[float] = []

    @property
    def kind(self) -> object:
        """All that the jobs' fates depend on where there is no breaker."""
        outcome = self.outcome
        is_throttled = isinstance(outcome, Undelivered) and outcome.name == THROTTLED
        return is_throttled, getattr(outcome, "is_retryable", None), self._failing_takes

    def run(self) -> Forecast:
        """Go on until each job has ended."""
        while self._due or self._in_flight:
            self._now = self._next()
            while self._in_flight and self._in_flight[0].ends_at <= self._now:
                self._end(heappop(self._in_flight))
            while self._may_start():
                self._start()
        return Forecast(
            failure=self._failure,
            breaker=None,
            failed=self._failed,
            requests=self._requests,
            arrivals=tuple(sorted(self._arrivals)),
        )

    def _next(self) -> float:
        """Return when an attempt ends, or one may begin."""
        ends = self._in_flight[0].ends_at if self._in_flight else float("inf")
        if not self._due:
            return ends
        may_send = self._now + self._gate.wait(self._now, len(self._in_flight))
        return min(ends, max(self._due[0][0], may_send))

    def _may_start(self) -> bool:
        is_due = bool(self._due) and self._due[0][0] <= self._now
        return is_due and self._gate.wait(self._now, len(self._in_flight)) <= 0

    def _start(self) -> None:
        due_at, job = heappop(self._due)
        is_probe = self._gate.take(self._now)
        fails = self._now < self._outage.seconds
        self._requests += fails
        takes = self._failing_takes if fails else self._outage.latency
        heappush(self._in_flight, _Attempt(self._now + takes, job, due_at, self._now, is_probe))

    def _end(self, attempt: _Attempt) -> None:
        outcome = self.outcome if attempt.started_at < self._outage.seconds else DELIVERED
        took = self._now - attempt.started_at
        if self._gate.note(outcome, now=self._now, took=took, is_probe=attempt.is_probe):
            heappush(self._due, (attempt.due_at, attempt.job))
        else:
            self._settle(attempt.job, self._decided(attempt, outcome))

    def _decided(self, attempt: _Attempt, outcome: Outcome) -> Transition:
        job, rules = self._job(self._retries[attempt.job]), self._rules
        event = self._event(attempt, outcome)
        return decide(job, event, rules.policy, random=self._random(), strategies=rules.strategies)

    def _event(self, attempt: _Attempt, outcome: Outcome) -> Outcome | Deferred:
        if isinstance(outcome, Delivered):
            self._gate.ramp_up.delivered(self._now, attempt.started_at)
            return outcome
        if outcome.name != THROTTLED:
            return outcome
        retry = self._rules.backend.retry
        delay = self._gate.ramp_up.throttled(self._now, attempt.started_at, 0.0)
        delay *= 1 + retry.jitter * (2 * self._random() - 1)
        waited = attempt.started_at - self._deferred_since.get(attempt.job, attempt.started_at)
        return Deferred(delay=delay, outcome=outcome, waited=waited, give_up_after=retry.give_up_after)

    def _settle(self, job: int, transition: Transition) -> None:
        if transition.defers:
            self._deferred_since.setdefault(job, self._now)
        else:
            self._deferred_since.pop(job, None)
        if transition.to is JobStatus.SUCCESS:
            self._arrivals.append(self._now - self._outage.seconds)
        elif transition.to is JobStatus.FAILED:
            self._failed += 1
        else:
            self._retries[job] = transition.retries
            heappush(self._due, (self._now + (transition.delay or 0.0), job))
