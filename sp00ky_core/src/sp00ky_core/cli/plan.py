"""Forecast what becomes of jobs in an outage of their backend, by the rules that runners go by. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Any

import attrs
import click

from sp00ky_core.backend.backend import load_backends
from sp00ky_core.cli.command import Settings, as_json, command, option
from sp00ky_core.cli.options import DURATION, Seconds, backend_names
from sp00ky_core.cli.output import show, span
from sp00ky_core.config import BackendConfig, BreakerConfig, RetryConfig
from sp00ky_core.gate.breaker import is_unavailable
from sp00ky_core.gate.gate import SHORTEST, Gate
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import (
    CONNECT,
    HTTP_STATUS,
    THROTTLED,
    TIMEOUT,
    UNAVAILABLE,
    Delivered,
    Undelivered,
)
from sp00ky_core.job.retry import MAX_RETRIES, RetryPolicy, Strategy
from sp00ky_core.job.state_machine import Transition, decide
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.limits import Allowance

__all__ = ["FAILURES", "LONGEST_OUTAGE", "MOST_ATTEMPTS", "Forecast", "Outage", "Rules", "forecasts"]

LONGEST_OUTAGE = 30 * 86_400.0
"""Seconds."""

MOST_ATTEMPTS = 1_000_000
"""Jobs times the attempts that each may have: so many take some 10 s for each kind of failure."""

FAILURES: Mapping[str, Undelivered] = {
    "refused": Undelivered(name=CONNECT),
    "timeout": Undelivered(name=TIMEOUT),
    "503": Undelivered(name=HTTP_STATUS, code=503, counts_as=UNAVAILABLE),
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

RUNNER = "planner"

START = datetime(2000, 1, 1, tzinfo=UTC)


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
            forecast = _Simulation(_with_breaker(rules, config), outage, failure).run()
            yield attrs.evolve(forecast, breaker=True)
            yield attrs.evolve(ended[bare.kind], failure=failure, breaker=False)
        else:  # no breaker counts it
            yield attrs.evolve(ended[bare.kind], failure=failure)


def _with_breaker(rules: Rules, config: BreakerConfig | None) -> Rules:
    return attrs.evolve(rules, backend=attrs.evolve(rules.backend, breaker=config))


@attrs.define(kw_only=True)
class _Attempt:
    """One attempt of a job, as a gate sees it; ``number`` and ``due_at`` are for the simulation."""

    job: Job
    retry: RetryConfig
    number: int
    due_at: float
    claimed_at: float
    received_at: float
    started_at: float | None
    waited: float
    is_probe: bool = False


class _Tokens:
    """A backend's rate, as a store keeps it; an instant is known to the microsecond."""

    def __init__(self, backend: BackendConfig) -> None:
        self._table = JobTable(backend=backend.name, table=backend.table, rate=backend.rate)
        self._left: float | None = None
        self._at: datetime | None = None

    def wait(self, now: float) -> float:
        """Return the seconds until there is one."""
        if self._table.rate is None:
            return 0.0
        seconds = self._allowance(now).retry_in(1, 0) or 0.0
        return max(seconds, SHORTEST) if seconds > 0 else 0.0

    def take(self, now: float) -> None:
        """Take one."""
        if self._table.rate is not None:
            self._left, self._at = self._allowance(now).tokens_after(1), _instant(now)

    def _allowance(self, now: float) -> Allowance:
        return Allowance.of(self._table, _instant(now), tokens=self._left, at=self._at)


def _instant(now: float) -> datetime:
    return START + timedelta(seconds=now)


class _Simulation:
    """One outage: jobs that are due, attempts in flight, and a clock that jumps to what comes next."""

    def __init__(self, rules: Rules, outage: Outage, failure: str) -> None:
        self._rules, self._outage, self._failure = rules, outage, failure
        self._tokens = _Tokens(rules.backend)
        self._job = lru_cache(rules.job)
        self.outcome = rules.hooks.classify_outcome(rules.job(0), rules.backend, FAILURES[failure])
        is_slow = FAILURES[failure].name == TIMEOUT
        self._failing_takes = rules.backend.timeout if is_slow else outage.latency
        self._random = Random(0).random  # noqa: S311  # for jitter, the same each time
        self._now = 0.0
        self._gate = self._new_gate()
        self._due = [(outage.seconds * number / outage.jobs, number) for number in range(outage.jobs)]
        self._retries = [0] * outage.jobs
        self._deferred_since: dict[int, float] = {}
        self._in_flight: list[tuple[float, int, _Attempt]] = []  # by their end
        self._failed = self._requests = 0
        self._arrivals: list[float] = []

    @property
    def kind(self) -> object:
        """All that the jobs' fates depend on where there is no breaker."""
        outcome = self.outcome
        is_throttled = isinstance(outcome, Undelivered) and outcome.name == THROTTLED
        return is_throttled, getattr(outcome, "is_retryable", None), self._failing_takes

    def _new_gate(self) -> Gate:
        backend = self._rules.backend
        places = int(min(backend.concurrency, backend.max_in_flight or math.inf))
        return Gate(
            config=attrs.evolve(backend, concurrency=places),
            runner_id=RUNNER,
            clock=lambda: self._now,
            random=self._random,
            poll=math.inf,
            news=self._write,
            probe_lease=math.inf,
            log=lambda *_, **__: None,  # what a gate has to say is about a backend that doesn't exist
        )

    def _write(self) -> None:
        """Change the breaker as the gate wishes: no other runner does."""
        if (seen := self._gate.breaker) is not None and (change := seen.change()) is not None:
            seen.written(change.of(seen.stored), is_written=True)

    def run(self) -> Forecast:
        """Go on until each job has ended."""
        while self._due or self._in_flight:
            self._now = self._next()
            while self._in_flight and self._in_flight[0][0] <= self._now:
                self._end(heappop(self._in_flight)[-1])
            while self._due and self._due[0][0] <= self._now and self._wait() <= 0:
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
        ends = self._in_flight[0][0] if self._in_flight else float("inf")
        if not self._due:
            return ends
        return min(ends, max(self._due[0][0], self._now + self._wait()))

    def _wait(self) -> float:
        """Return the seconds until a request may be sent; infinite: once one has ended."""
        if len(self._in_flight) >= self._gate.throttling.limit:
            return math.inf
        return max(self._gate.silent_for(), self._tokens.wait(self._now))

    def _start(self) -> None:
        due_at, number = heappop(self._due)
        self._tokens.take(self._now)
        attempt = _Attempt(
            job=self._job(self._retries[number]),
            retry=self._rules.backend.retry,
            number=number,
            due_at=due_at,
            claimed_at=self._now,
            received_at=self._now,
            started_at=self._now,
            waited=self._now - self._deferred_since.get(number, self._now),
        )
        self._claim(attempt)
        fails = self._now < self._outage.seconds
        self._requests += fails
        takes = self._failing_takes if fails else self._outage.latency
        heappush(self._in_flight, (self._now + takes, number, attempt))

    def _claim(self, attempt: _Attempt) -> None:
        """Make an attempt the breaker's probe, if it wants one."""
        if (seen := self._gate.breaker) is not None and seen.stored.wants_probe:
            probed = seen.stored.probed_by(RUNNER, math.inf)
            self._gate.claiming()
            self._gate.claimed([attempt], probed, paused=None, retry_in=None)

    def _end(self, attempt: _Attempt) -> None:
        fails = attempt.claimed_at < self._outage.seconds
        event = self._gate.note(attempt, self.outcome if fails else DELIVERED)
        if event is None:
            heappush(self._due, (attempt.due_at, attempt.number))
        else:
            random, rules = self._random(), self._rules
            transition = decide(attempt.job, event, rules.policy, random=random, strategies=rules.strategies)
            self._settle(attempt.number, transition)

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


DAY = 86_400


@command(short_help="Forecast which jobs an outage of a backend costs.")
@option(
    "--backend", "Take what isn't given here from sp00ky.yml.", metavar="NAME", shell_complete=backend_names
)
@option("--strategy", "linear, exponential, or a plugin's.", metavar="NAME")
@option("--max-retries", "Attempts after the first.", type=click.IntRange(0, MAX_RETRIES), metavar="N")
@option("--base", "The first delay.", type=Seconds(0, DAY), metavar="SECONDS")
@option("--factor", "Of exponential: each delay times that.", type=Seconds(1, 1_000), metavar="N")
@option("--cap", "The longest delay.", type=Seconds(0, DAY), metavar="SECONDS")
@option("--outage", "How long it lasts.", type=DURATION, default="30m")
@option("--jobs", "Enqueued meanwhile.", type=click.IntRange(1, 100_000), default=10_000)
@option("--concurrency", "Requests at a time.", type=click.IntRange(1, 10_000), metavar="N")
@option("--latency", "Seconds that a request takes.", type=Seconds(0.001, DAY), default=0.1)
@as_json
def plan(
    settings: Settings, *, backend: str | None, outage: timedelta, jobs: int, latency: float, **given: Any
) -> None:
    """Forecast what becomes of jobs that are enqueued while their backend is down.

    For a backend that refuses connections, hangs, or answers 503, 500 or 429: how many jobs are delivered
    in the end, how many fail, how many requests it gets meanwhile, and how long after its end half of the
    delivered jobs, 95 % of them and the last one arrive. Each attempt is decided by the rules that a runner
    goes by, on a virtual clock: nothing is sent, and no store is asked.
    """
    plugins = settings.plugins
    rules = _rules(_config(settings, backend, plugins), given, plugins)
    meant = Outage(seconds=outage.total_seconds(), jobs=jobs, latency=latency)
    _refuse_too_much(meant, rules)
    rows = list(forecasts(rules, meant))
    document = {"plan": _plan_json(rules, meant), "forecasts": [forecast.to_json() for forecast in rows]}
    show(document, forecast_lines(rules.backend, meant, rows))


def _config(settings: Settings, name: str | None, plugins: Plugins) -> BackendConfig:
    """Return the backend that is named, or one with the defaults."""
    if name is None:
        return BackendConfig(name="backend", spec=Path(), base_url="http://unset.invalid")
    backends = load_backends(settings.configuration(), frozenset(plugins.strategies), plugins.transports)
    return backends.named(name).config


def _rules(config: BackendConfig, given: Mapping[str, Any], plugins: Plugins) -> Rules:
    options = {name: value for name, value in given.items() if value is not None}
    concurrency = options.pop("concurrency", config.concurrency)
    config = attrs.evolve(config, retry=attrs.evolve(config.retry, **options), concurrency=concurrency)
    return Rules(backend=config, hooks=plugins.hooks(), strategies=plugins.strategies)


def _refuse_too_much(outage: Outage, rules: Rules) -> None:
    if not 1 <= outage.seconds <= LONGEST_OUTAGE:
        raise click.BadParameter("an outage lasts from 1s to 30d", param_hint="'--outage'")
    if outage.jobs * (1 + rules.backend.retry.max_retries) > MOST_ATTEMPTS:
        most = f"at most {MOST_ATTEMPTS:,} attempts are simulated, jobs x (1 + retries): give fewer --jobs"
        raise click.BadParameter(most, param_hint="'--jobs'")


def _plan_json(rules: Rules, outage: Outage) -> dict[str, Any]:
    retry = attrs.asdict(rules.backend.retry)
    if math.isinf(retry["give_up_after"]):
        retry["give_up_after"] = None  # JSON knows no infinity
    facts = {"outage_s": outage.seconds, "jobs": outage.jobs, "latency_s": outage.latency}
    return {**facts, "concurrency": rules.backend.concurrency, "retry": retry}


COLUMNS: Mapping[str, int] = {
    "backend": 8,
    "breaker": 7,
    "delivered": 9,
    "failed": 7,
    "": 10,
    "requests": 8,
    "half": 5,
    "95 %": 5,
    "last": 5,
}
"""Their widths; the one without a name holds a bar."""

NAMES = 2
"""Columns of text; numbers stand to the right."""

WORDS = {"refused": "refuses", "timeout": "hangs", "503": "says 503", "500": "says 500", "429": "says 429"}
BREAKER: Mapping[bool | None, str] = {True: "on", False: "off", None: "either"}

BAR, TIMELINE = COLUMNS[""], 50
"""Characters."""

LEVELS = " ▁▂▃▄▅▆▇█"


def forecast_lines(backend: BackendConfig, outage: Outage, rows: Sequence[Forecast]) -> Iterator[str]:
    """Yield the lines of a forecast."""
    yield from _headline(backend, outage)
    yield ""
    yield click.style(_line([*COLUMNS]), bold=True)
    for forecast in rows:
        yield _row(forecast)
    longest = max((forecast.arrived(1.0) or 0.0 for forecast in rows), default=0.0)
    yield ""
    yield click.style(f"deliveries in the {brief(longest)} after the outage", bold=True)
    for forecast in rows:
        timeline = _timeline(forecast, longest)
        yield _line([WORDS[forecast.failure], BREAKER[forecast.breaker], timeline])


def _headline(backend: BackendConfig, outage: Outage) -> Iterator[str]:
    retry = backend.retry
    yield f"{outage.jobs:,} jobs, enqueued evenly while their backend is down for {brief(outage.seconds)}."
    shape = f", times {retry.factor:g}" if retry.strategy == "exponential" else ""
    delays = f"first after {brief(retry.base)}{shape}, at most {brief(retry.cap)}"
    yield f"Retries: {retry.max_retries}, {retry.strategy}, {delays}."
    yield f"Requests: {backend.concurrency} at a time, {brief(outage.latency)} each."


def _row(forecast: Forecast) -> str:
    counts = (f"{forecast.delivered:,}", f"{forecast.failed:,}", _bar(forecast), f"{forecast.requests:,}")
    after = (brief(forecast.arrived(share)) for share in SHARES.values())
    return _line([WORDS[forecast.failure], BREAKER[forecast.breaker], *counts, *after])


def _line(cells: Sequence[str]) -> str:
    """Align what stands in the first columns; a text that is wider, as a coloured bar, is left as it is."""
    names = map(str.ljust, cells[:NAMES], COLUMNS.values())
    numbers = map(str.rjust, cells[NAMES:], [*COLUMNS.values()][NAMES:])
    return "  ".join([*names, *numbers]).rstrip()


def _bar(forecast: Forecast) -> str:
    """Return the share that is delivered, and the one that fails; what there is of either is seen."""
    total = forecast.delivered + forecast.failed
    filled = round(BAR * forecast.delivered / total)
    filled = min(max(filled, forecast.delivered > 0), BAR - (forecast.failed > 0))
    return click.style("█" * filled, fg="green") + click.style("░" * (BAR - filled), fg="red")


def _timeline(forecast: Forecast, longest: float) -> str:
    """Return how many jobs arrive in each part of the time, from none to the most of its own."""
    parts = Counter(min(int(TIMELINE * arrival / longest), TIMELINE - 1) for arrival in forecast.arrivals)
    most = max(parts.values(), default=1)
    steps = (-(-parts[n] * (len(LEVELS) - 1) // most) for n in range(TIMELINE))  # rounded up
    return "".join(LEVELS[step] for step in steps)


def brief(seconds: float | None) -> str:
    """Format a duration in at most five characters; nothing for None."""
    return span(seconds).replace(" ", "") or "-"
