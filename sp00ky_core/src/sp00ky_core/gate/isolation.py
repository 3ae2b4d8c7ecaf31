"""Keep each route of a backend apart: its rest, its rate and its places are its own.

They are this process's alone. No IO; every ``now`` is the runner's, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from sp00ky_core.config import RateConfig
from sp00ky_core.gate.breaker import BreakerState
from sp00ky_core.gate.route import FIRST_TOOK, LATE, Route
from sp00ky_core.job.outcome import THROTTLED, Delivered, Outcome

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


@attrs.define(kw_only=True, eq=False, slots=False)
class Isolation:
    """Shares out a backend's places among its routes, and puts off the jobs of those that are shut or full.

    Attributes:
        concurrency: Attempts at a time, of all routes.
        limits: Says what a route is sent.
    """

    concurrency: int
    _news: Callable[[], None]  # called when there are jobs to be put off
    limits: Callable[[str], RouteLimits] = lambda _route: RouteLimits()
    _unproven: set[str] = attrs.field(factory=set, init=False)  # jobs under way of routes that weren't proven
    _put_off: dict[str, PutOff] = attrs.field(factory=dict, init=False)

    def take_put_off(self) -> list[PutOff]:
        """Take what is to be put off."""
        taken, self._put_off = [*self._put_off.values()], {}
        return taken

    def begin(self, job_id: str, route: Route, now: float) -> None:
        """Give a job one of the route's places."""
        route.started[job_id] = now
        if not route.is_proven:
            self._unproven.add(job_id)

    def end(self, job_id: str, route: Route) -> None:
        """Take a job's place back."""
        route.started.pop(job_id, None)
        self._unproven.discard(job_id)

    def ended(self, job_id: str, route: Route, outcome: Outcome, asked: float) -> float:
        """Take a job's place back; return the seconds for which its route rests where it was throttled.

        They are its own choice where it didn't ask for any.
        """
        self.end(job_id, route)
        if isinstance(outcome, Delivered):
            route.refusals = 0
        elif outcome.name == THROTTLED:
            asked = asked or min(2.0**route.refusals, LONGEST_WAIT)
            route.refusals = min(route.refusals + 1, 10)
        return asked

    def shut(self, name: str, route: Route, now: float) -> float:
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

    def line(self, name: str, route: Route, now: float) -> float:
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

    def _tell(self, put_off: PutOff, route: Route, now: float) -> None:
        if now - route.told_at >= TOLD_AGAIN:
            route.told_at = now
            self._put_off[put_off.route] = put_off
            self._news()
