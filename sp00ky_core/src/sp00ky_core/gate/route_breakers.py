"""Keep a breaker for each route of a backend, beside the backend's own, by the same rules.

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
    LocalBreaker,
    ProbeWithoutNews,
    event_of,
    is_timeout,
    is_unavailable,
)
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Outcome

RECENT = 10.0
"""Seconds before a request in which another route's answer shows that the backend is there."""

LONGEST_LOOK = 300.0
"""Seconds, at most, until a job is looked at again whose route's breaker is open. Up to that it is as long as
it has waited already: so a hundred thousand of them cost the others a few hundred claims a second."""

LATE = 1.5
"""Times as long as it was to wait may a job take to come again, until no one counts on it."""

NEVER = float("-inf")

SOME_ROUTE = ""
"""Stands for an answer that another runner got, whichever it was."""


@attrs.define
class _Route(LocalBreaker):
    """A route, as it was last seen.

    Attributes:
        answered_at: When its latest request was answered; ``NEVER``: that wasn't answered.
        better_probe_by: By when a job with retries left comes, which is the better probe.
    """

    answered_at: float = NEVER
    better_probe_by: float = NEVER


@attrs.define(eq=False, slots=False)
class RouteBreakers:
    """The breakers of a backend's routes.

    Attributes:
        are_closed: All of them, as nearly always: then no job has to wait.
    """

    _backend: str
    _config: BreakerConfig
    _several: bool  # the backend has more than one route

    def __attrs_post_init__(self) -> None:
        self.are_closed: bool = True
        self._routes: dict[str, _Route] = {}

    def wait(self, job: Job, now: float, *, waited: float, lease: float) -> float:
        """Return the seconds after which to look at a job again; 0: it is sent now, as a probe if need be.

        A job without retries is a probe only where none that has some is expected: it is sent once at most.

        Args:
            job: Names the route, and the probe.
            now: The time.
            waited: Seconds that the job has waited so already.
            lease: Seconds for which a probe is one job's alone.
        """
        seen, has_retries = self._routes.get(job.path), job.retries < job.max_retries
        if seen is None or seen.breaker.state is BreakerState.CLOSED:
            return 0.0
        breaker = seen.aged(now)
        if breaker.wants_probe and (has_retries or now >= seen.better_probe_by):
            seen.breaker = breaker.probed_by(job.id, lease)
            return 0.0
        seconds = max(breaker.silent_for, self._config.interval, min(waited, LONGEST_LOOK))
        if has_retries:
            seen.better_probe_by = now + LATE * seconds
        return seconds

    def is_own(self, route: str, outcome: Outcome, started_at: float) -> bool:
        """Whether an outcome is the route's alone: no answer in time, where others are answered.

        That is so where another route's latest request was answered after ``started_at``, or not long before;
        and for a route that is known for it, unless another one's failed, too.
        """
        if not is_timeout(outcome):
            return False
        others = [other.answered_at for name, other in self._routes.items() if name != route]
        if max(others, default=NEVER) >= started_at - RECENT:
            return True
        is_known = route in self._routes and self._routes[route].breaker.state is not BreakerState.CLOSED
        return is_known and NEVER not in others

    def note(
        self, job: Job, outcome: Outcome, now: float, *, took: float, is_own: bool
    ) -> BreakerChange | None:
        """Count an outcome of a job; return what it has changed of the route's breaker, if anything.

        A failure that isn't its own counts for the backend's breaker instead, but for that of its probe.
        """
        seen = self._routes.get(job.path)
        is_probe = seen is not None and seen.breaker.probe_runner == job.id
        event = event_of(outcome, probe_of=job.id if is_probe else None, took=took)
        if event is None:
            return None
        if seen is None:
            seen = self._routes[job.path] = _Route()
        if not isinstance(event, ProbeWithoutNews):
            seen.answered_at = NEVER if is_unavailable(outcome) else now
        if isinstance(event, Failed) and not is_own:
            return None
        return self._change(job.path, seen, event, now)

    def answered(self, route: str, now: float) -> bool:
        """Count a 2xx; return whether that is all, for the route's breaker has nothing to be changed."""
        seen = self._routes.get(route)
        if seen is None:
            seen = self._routes[route] = _Route()
        seen.answered_at = now
        return seen.breaker is NEW

    def answered_elsewhere(self, now: float) -> None:
        """Note that another runner's probe of the backend was answered, of whatever route."""
        if self._several:
            self._routes.setdefault(SOME_ROUTE, _Route()).answered_at = now

    def unsent(self, job: Job, now: float) -> None:
        """Note a job without an outcome: if it was a probe, the next one may be taken."""
        seen = self._routes.get(job.path)
        if seen is not None and seen.breaker.probe_runner == job.id:
            self._change(job.path, seen, ProbeWithoutNews(runner_id=job.id), now)

    def _change(self, route: str, seen: _Route, event: BreakerEvent, now: float) -> BreakerChange | None:
        change = seen.change(f"{self._backend} {route}", event, self._config, now)
        if change is not None:
            closed = (route.breaker.state is BreakerState.CLOSED for route in self._routes.values())
            self.are_closed = all(closed)
        return change
