"""Keep a breaker for each route of a backend: beside the backend's own, or in its place.

They are this process's alone. No IO; every ``now`` is the runner's, in seconds.
"""

from __future__ import annotations

import attrs

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import (
    NEW,
    BreakerChange,
    BreakerEvent,
    BreakerState,
    Failed,
    ProbeWithoutNews,
    event_of,
    is_timeout,
    is_unavailable,
)
from sp00ky_core.gate.isolation import Isolation
from sp00ky_core.gate.route import LATE, NEVER, Route
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Outcome

RECENT = 10.0
"""Seconds before a request in which another route's answer shows that the backend is there."""

LONGEST_LOOK = 300.0
"""Seconds, at most, until a job is looked at again whose route's breaker is open. Up to that it is as long as
it has waited already: so a hundred thousand of them cost the others a few hundred claims a second."""

MOST_ROUTES = 10_000
"""Routes that are remembered; beyond that, those without an attempt go whose latest job is the oldest."""

SOME_ROUTE = ""
"""Stands for an answer that another runner got, whichever it was."""


@attrs.frozen(kw_only=True)
class RouteNews:
    """What an outcome says of its route.

    Attributes:
        change: What it has changed of the route's breaker, if anything.
        is_own: It says nothing of the backend.
        rests: Seconds for which the route is left alone; 0: it isn't.
    """

    change: BreakerChange | None
    is_own: bool
    rests: float = 0.0


@attrs.define(kw_only=True, eq=False, slots=False)
class Routes:
    """The routes of a backend.

    Attributes:
        isolation: Keeps each on its own, so that what happens to one holds up no other; None: they share the
            backend's breaker, and a route's own opens only where others are answered.
        are_free: No job has to wait, as nearly always.
    """

    _backend: str
    _config: BreakerConfig
    _several: bool = False  # the backend has more than one route
    _probe_lease: float  # seconds for which a probe is one job's alone
    isolation: Isolation | None = None

    def __attrs_post_init__(self) -> None:
        self.are_free: bool = self.isolation is None
        self._routes: dict[str, Route] = {}

    def wait(self, job: Job, now: float, *, waited: float = 0.0) -> float:
        """Return the seconds after which to look at a job again; 0: it is sent now, as a probe if need be.

        Args:
            job: Names the route, and the probe.
            now: The time.
            waited: Seconds that the job has waited so already.
        """
        route = self._of(job.path)
        seconds = self._held_up(job, route, now, waited)
        if seconds <= 0 and self.isolation is not None:
            self.isolation.begin(job.id, route, now)
        return seconds

    def note(
        self, job: Job, outcome: Outcome, now: float, *, started_at: float, asked: float = 0.0
    ) -> RouteNews:
        """Count an outcome of a job, which asks for some seconds of rest.

        A failure that isn't the route's own counts for the backend's breaker instead, but for that of its
        probe.
        """
        route, is_own, rests = self._of(job.path), self._is_own(job.path, outcome, started_at), 0.0
        if self.isolation is not None:
            rests = self.isolation.ended(job.id, route, outcome, asked)
        probe_of = job.id if route.breaker.probe_runner == job.id else None
        event = event_of(outcome, asked=rests, probe_of=probe_of, took=now - started_at)
        if event is not None and not isinstance(event, ProbeWithoutNews):
            route.answered_at = NEVER if is_unavailable(outcome) else now
        if event is not None and route.is_proven:
            route.took += (now - started_at - route.took) / 4
        change = None
        if event is not None and (is_own or not isinstance(event, Failed)):
            change = self._change(job.path, route, event, now)
        return RouteNews(change=change, is_own=is_own, rests=rests)

    def answered(self, name: str, now: float) -> bool:
        """Count a 2xx; return whether that is all, as nearly always: else it is to be noted."""
        route = self._routes.get(name)
        if route is None or self.isolation is not None:
            return False
        route.answered_at = now
        return route.breaker is NEW

    def answered_elsewhere(self, now: float) -> None:
        """Note that another runner's probe of the backend was answered, of whatever route."""
        if self._several:
            self._of(SOME_ROUTE).answered_at = now

    def unsent(self, job: Job, now: float) -> None:
        """Note a job without an outcome: if it was a probe, the next one may be taken."""
        route = self._routes.get(job.path)
        if route is None:
            return
        if self.isolation is not None:
            self.isolation.end(job.id, route)
        if route.breaker.probe_runner == job.id:
            self._change(job.path, route, ProbeWithoutNews(runner_id=job.id), now)

    def _held_up(self, job: Job, route: Route, now: float, waited: float) -> float:
        breaker = route.aged(now)
        if breaker.wants_probe and self._may_probe(job, route, now):
            route.breaker = breaker.probed_by(job.id, self._probe_lease)
            return 0.0
        if self.isolation is not None:
            rule = self.isolation.line if breaker.lets_through else self.isolation.shut
            return rule(job.path, route, now)
        return 0.0 if breaker.lets_through else self._shut(job, route, now, waited)

    def _may_probe(self, job: Job, route: Route, now: float) -> bool:
        """Whether a job may be the probe: one without retries is sent once at most, if no better comes."""
        return self.isolation is not None or job.retries < job.max_retries or now >= route.candidate_by

    def _shut(self, job: Job, route: Route, now: float, waited: float) -> float:
        seconds = max(route.breaker.silent_for, self._config.interval, min(waited, LONGEST_LOOK))
        if job.retries < job.max_retries:
            route.candidate_by = now + LATE * seconds
        return seconds

    def _is_own(self, name: str, outcome: Outcome, started_at: float) -> bool:
        """Whether an outcome is the route's alone: no answer in time, where others are answered.

        That is so where another route's latest request was answered after ``started_at``, or not long before;
        and for a route that is known for it, unless another one's failed, too.
        """
        if self.isolation is not None or not is_timeout(outcome):
            return self.isolation is not None
        latest = [seen.answered_at for other, seen in self._routes.items() if other != name]
        others = [answered_at for answered_at in latest if answered_at is not None]
        if max(others, default=NEVER) >= started_at - RECENT:
            return True
        return self._of(name).breaker.state is not BreakerState.CLOSED and NEVER not in others

    def _of(self, name: str) -> Route:
        route = self._routes.pop(name) if name in self._routes else Route()
        self._routes[name] = route  # the latest is the last
        if len(self._routes) > MOST_ROUTES:
            del self._routes[next(name for name, idle in self._routes.items() if not idle.started)]
        return route

    def _change(self, name: str, route: Route, event: BreakerEvent, now: float) -> BreakerChange | None:
        change = route.change(f"{self._backend} {name}", event, self._config, now)
        if change is not None and self.isolation is None:
            closed = (route.breaker.state is BreakerState.CLOSED for route in self._routes.values())
            self.are_free = all(closed)
        return change
