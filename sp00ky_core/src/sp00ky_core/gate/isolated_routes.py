"""Keep each route of a backend apart: its breaker, its pause, its rate and its places are its own.

They are this process's alone. No IO; every ``now`` is the runner's, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from sp00ky_core.config import BreakerConfig, RateConfig
from sp00ky_core.gate import breaker as rules
from sp00ky_core.gate.breaker import (
    NEW,
    BreakerChange,
    BreakerEvent,
    BreakerState,
    LocalBreaker,
    ProbeWithoutNews,
)
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import THROTTLED, Delivered, Outcome

MOST_ROUTES = 10_000
"""Routes that are remembered; beyond that, those without an attempt go whose latest job is the oldest."""

LONGEST_WAIT = 300.0
"""Seconds, at most, for which jobs of a route that is shut or full are put off, unless it asked for more."""

SOONER, LONGEST_REST = 4.0, 86_400.0
"""Times as fast as a route is may it become until its waiting jobs come too late; seconds, at most, that they
are spread over, and for which a route rests where it asks for that."""

LINE = 5.0
"""Seconds of work that wait for a route before those behind it are put off together; and seconds, at most,
until a job is looked at again while another one is the probe."""

TOLD_AGAIN = 0.5
"""Seconds between two times that a route's waiting jobs are put off together."""

UNPROVEN = 0.5
"""Share of the places that routes may have together whose latest request wasn't answered, or that are new:
one each, until it is answered."""

SLOW, SLOWER = 1.0, 4.0
"""Seconds, and times as long as a route's requests take, after which one that isn't answered keeps the next
from being sent."""

LATE = 1.5
"""Times as long as the next probe was to wait may it take to come, until another job takes its part."""

FIRST_TOOK = 0.25
"""Seconds that a route's requests are taken to need, as long as none was answered."""


@attrs.frozen(kw_only=True)
class RouteLimits:
    """Limits what each process sends one route.

    Attributes:
        max_in_flight: Attempts at a time.
        rate: Requests in a time; None: no limit.
    """

    max_in_flight: int = 5
    rate: RateConfig | None = None


@attrs.frozen(kw_only=True)
class PutOff:
    """Waiting jobs of a route that are to be put off together.

    Attributes:
        route: Their path.
        seconds: How long the first of them are.
        spacing: Seconds from one to the next.
    """

    route: str
    seconds: float
    spacing: float = 0.0

    def after(self, jobs: int) -> float:
        """Return the seconds for which those are put off that come after so many others.

        They come sooner than the route seems to need: it may become faster, and have several runners. Never
        are many due at once, for others' jobs would wait behind them.
        """
        return min(self.seconds + jobs * self.spacing / SOONER, max(self.seconds, LONGEST_REST))


@attrs.define
class _Route(LocalBreaker):
    """A route, as it was last seen.

    Attributes:
        shut_since: When it opened; infinity: it is closed.
        candidate_by: By when the job comes that is to be the next probe.
        told_at: When its waiting jobs were last put off together.
        token_at: When its rate has made up for all that was sent.
        line_at: When the last job comes again that waits for a place, or a token.
        took: Seconds that its requests take, lately.
        refusals: Throttled answers in a row.
        is_proven: Its latest request was answered.
        started: Its attempts under way: when each began, by the job's id, the oldest first.
    """

    shut_since: float = math.inf
    candidate_by: float = -math.inf
    told_at: float = -math.inf
    token_at: float = 0.0
    line_at: float = 0.0
    took: float = FIRST_TOOK
    refusals: int = 0
    is_proven: bool = False
    started: dict[str, float] = attrs.field(factory=dict)


@attrs.define(eq=False, slots=False)
class IsolatedRoutes:
    """The routes of a backend, each on its own: what happens to one holds up no other.

    Attributes:
        backend: The backend's name.
        concurrency: Attempts at a time, of all routes.
        limits: Says what a route is sent.
    """

    backend: str
    concurrency: int
    _config: BreakerConfig
    _lease: float  # seconds for which a probe is one job's alone
    _news: Callable[[], None]  # called when there are jobs to be put off
    limits: Callable[[str], RouteLimits] = lambda _route: RouteLimits()
    _routes: dict[str, _Route] = attrs.field(factory=dict, init=False)
    _unproven: set[str] = attrs.field(factory=set, init=False)  # jobs under way of routes that weren't proven
    _put_off: dict[str, PutOff] = attrs.field(factory=dict, init=False)

    def take_put_off(self) -> list[PutOff]:
        """Take what is to be put off."""
        taken, self._put_off = [*self._put_off.values()], {}
        return taken

    def wait(self, job: Job, now: float) -> float:
        """Return the seconds after which to look at a job again; 0: it is sent now, as a probe if need be."""
        route = self._of(job.path)
        breaker = route.aged(now)
        if breaker.wants_probe:
            route.breaker = breaker.probed_by(job.id, self._lease)
        elif not breaker.lets_through:
            return self._shut(job.path, route, now)
        elif seconds := self._full(job.path, route, now):
            return seconds
        route.started[job.id] = now
        if not route.is_proven:
            self._unproven.add(job.id)
        return 0.0

    def note(
        self, job: Job, outcome: Outcome, now: float, *, asked: float, took: float
    ) -> tuple[BreakerChange | None, float]:
        """Count a job's outcome.

        Returns what it has changed of its route's breaker, if anything, and the seconds for which the route
        rests where it was throttled, which are its own choice where it didn't ask (``asked``).
        """
        route = self._ended(job)
        if not isinstance(outcome, Delivered) and outcome.name == THROTTLED:
            asked = asked or min(2.0**route.refusals, LONGEST_WAIT)
            route.refusals = min(route.refusals + 1, 10)
        is_probe = route.breaker.probe_runner == job.id
        event = rules.event_of(outcome, asked=asked, probe_of=job.id if is_probe else None, took=took)
        if event is None:
            return None, asked
        if not isinstance(event, ProbeWithoutNews):
            route.is_proven = not rules.is_unavailable(outcome)
        if route.is_proven:
            route.took += (took - route.took) / 4
        if isinstance(outcome, Delivered):
            route.refusals = 0
        return self._changed(job.path, route, event, now), asked

    def unsent(self, job: Job, now: float) -> None:
        """Note a job without an outcome: if it was a probe, the next one may be taken."""
        if job.path in self._routes and (route := self._ended(job)).breaker.probe_runner == job.id:
            self._changed(job.path, route, ProbeWithoutNews(runner_id=job.id), now)

    def _shut(self, name: str, route: _Route, now: float) -> float:
        """Have the waiting jobs put off; the first one comes again as soon as it may be the probe."""
        breaker = route.breaker
        soon = min(breaker.silent_for, LINE if breaker.state is BreakerState.HALF_OPEN else math.inf)
        route.shut_since = min(route.shut_since, now)
        late = max(soon, min(now - route.shut_since, LONGEST_WAIT))
        self._tell(PutOff(route=name, seconds=late), route, now)
        if now < route.candidate_by:
            return late
        route.candidate_by = now + LATE * soon
        return soon

    def _full(self, name: str, route: _Route, now: float) -> float:
        """Return the seconds until there is a place and a token, behind those that wait already; 0: taken."""
        limits = self.limits(name)
        waited = now - next(iter(route.started.values()), now)  # for the answer that is waited for longest
        places = limits.max_in_flight if route.is_proven else 1
        token_in, spacing = 0.0, max(route.took, waited, TOLD_AGAIN / 10) / places
        if (rate := limits.rate) is not None:
            token_in = max(route.token_at - (rate.burst - 1) / rate.per_second - now, 0.0)
            spacing = max(spacing, 1 / rate.per_second)
        is_stuck = waited > max(SLOW, SLOWER * route.took)
        if token_in <= 0 and not is_stuck and len(route.started) < places:
            if not route.is_proven and len(self._unproven) >= max(self.concurrency * UNPROVEN, 1):
                return FIRST_TOOK  # it is crowded by others: it has no line
            route.token_at = max(route.token_at, now) + (1 / rate.per_second if rate else 0.0)
            return 0.0
        route.line_at = max(route.line_at, now, now + token_in - spacing) + spacing
        if (seconds := route.line_at - now) > LINE:
            self._tell(PutOff(route=name, seconds=seconds, spacing=spacing), route, now)
        return min(seconds, LONGEST_WAIT)

    def _tell(self, put_off: PutOff, route: _Route, now: float) -> None:
        if now - route.told_at >= TOLD_AGAIN:
            route.told_at = now
            self._put_off[put_off.route] = put_off
            self._news()

    def _of(self, name: str) -> _Route:
        route = self._routes.pop(name) if name in self._routes else _Route()
        self._routes[name] = route  # the latest is the last
        if len(self._routes) > MOST_ROUTES:
            del self._routes[next(name for name, idle in self._routes.items() if not idle.started)]
        return route

    def _ended(self, job: Job) -> _Route:
        route = self._of(job.path)
        route.started.pop(job.id, None)
        self._unproven.discard(job.id)
        return route

    def _changed(self, name: str, route: _Route, event: BreakerEvent, now: float) -> BreakerChange | None:
        change = route.change(f"{self.backend} {name}", event, self._config, now)
        if change is not None and route.breaker is NEW:
            route.shut_since, route.candidate_by = math.inf, -math.inf
        return change
