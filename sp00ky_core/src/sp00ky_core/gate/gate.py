"""Decide for one backend whether its jobs may be claimed and started, and what becomes of an attempt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import attrs

from sp00ky_core.config import BackendConfig, BreakerConfig, RetryConfig
from sp00ky_core.gate.backend_breaker import Log, SeenBreaker
from sp00ky_core.gate.breaker import (
    NEW,
    Answered,
    Breaker,
    BreakerChange,
    BreakerEvent,
    BreakerState,
    ProbeWithoutNews,
    event_of,
    is_unavailable,
    never_connected,
    seconds_asked,
)
from sp00ky_core.gate.isolation import LONGEST_REST, Isolation
from sp00ky_core.gate.routes import RouteNews, Routes
from sp00ky_core.job.job import Job, facts_of, named, said
from sp00ky_core.job.outcome import DEFERRED_NAMES, SNOOZED, WAITING, Delivered, Outcome, Undelivered
from sp00ky_core.job.state_machine import Deferred

logger: logging.Logger = logging.getLogger(__name__)

NEVER_OPENS = 2**62
"""Failures in a row that open no breaker: of routes of a backend without one."""

SHORTEST = 0.001
"""Seconds that are worth waiting: what is left of a pause may be less than a clock can measure."""

LONGEST_HELD = 0.1
"""Seconds from a claim of a backend with limits until its attempt starts; later it is given back."""


class Claimed(Protocol):
    """A claimed job, as far as a gate must know it; see ``runner.holdings.Held``."""

    job: Job
    claimed_at: float
    received_at: float
    started_at: float | None
    is_probe: bool

    @property
    def waited(self) -> float:
        """Seconds for which it has been deferred."""

    @property
    def retry(self) -> RetryConfig:
        """How the job's backend has its jobs retried."""


@attrs.define(kw_only=True, eq=False, slots=False)
class Gate:
    """Joins what this process knows of one backend: breaker, throttling, an operator's pause, limits.

    What the fleet shares is decided by the claim, in the store.

    Attributes:
        throttling: How many requests at a time it takes.
        pause: An operator's.
        limit: The wait for the fleet's tokens and places.
        breaker: None: it has none.
        shown: What the fleet is told of: the breaker, or pauses alone where it is off; None: of nothing.
        routes: Its routes. Where they are isolated, outcomes count for them alone.
    """

    _config: BackendConfig
    _runner_id: str
    _clock: Callable[[], float]
    _random: Callable[[], float]
    _poll: float
    """Seconds after which anything that holds claims back is looked at again."""
    _news: Callable[[], None]
    """Called when there is a change of the breaker to be written."""
    _is_limited: bool = False
    _several_routes: bool = False
    _probe_lease: float = 0.0
    _isolation: Isolation | None = None
    _log: Log = logger.log

    def __attrs_post_init__(self) -> None:
        self.throttling: Throttling = Throttling(self._config.concurrency)
        self.pause: Pause = Pause()
        self.limit: Limit = Limit()
        self.routes: Routes = self._make_routes()
        self.shown: SeenBreaker | None = None
        if self._isolation is None:
            name, config = self._config.name, self._config.breaker or BreakerConfig()
            elsewhere = self.routes.answered_elsewhere
            self.shown = SeenBreaker(name, config, self._clock, self._poll, elsewhere, self._log)
        self.breaker: SeenBreaker | None = None if self._config.breaker is None else self.shown
        self._probes = 0  # this runner's, that have no outcome yet

    def _make_routes(self) -> Routes:
        return Routes(
            backend=self._config.name,
            config=self._config.breaker or BreakerConfig(failures=NEVER_OPENS),
            several=self._several_routes,
            probe_lease=self._probe_lease,
            isolation=self._isolation,
        )

    # --- claims ---

    def may_claim(self) -> bool:
        """Whether a claim may get a job now."""
        return self.silent_for() <= 0 and self.limited_for() <= 0

    def silent_for(self) -> float:
        """Return the seconds for which a claim would get nothing; infinite: until something happens."""
        now = self._clock()
        breaker = 0.0 if self.breaker is None else self.breaker.silent_for
        seconds = max(self.throttling.next_at - now, self.pause.until - now, breaker)
        return max(seconds, SHORTEST) if seconds > 0 else 0.0

    def limited_for(self) -> float:
        """Return the seconds for which the backend's limits leave nothing to be claimed."""
        return max(self.limit.until - self._clock(), 0.0)

    def signal(self) -> None:
        """There may be work; it may be because the breaker is closed, or the backend is resumed."""
        self.pause.signal()
        if self.breaker is not None:
            self.breaker.signal()

    def claiming(self) -> None:
        """Note that a claim is about to be sent."""
        if self.breaker is not None:
            self.breaker.claiming()

    def claimed(
        self, jobs: Sequence[Claimed], breaker: Breaker, *, paused: float | None, retry_in: float | None
    ) -> None:
        """Take over what a claim has found.

        Args:
            jobs: Those that it got.
            breaker: As the store had it, or left it.
            paused: Seconds that an operator's pause lasts yet; None: there is none.
            retry_in: Seconds until there may be more than the limits left; None: they left enough.
        """
        now, had_to_pass = self._clock(), retry_in is not None and not jobs
        if (paused is not None or not had_to_pass) and self.pause.claimed(now, paused, self._poll):
            text = "backend %s is paused by an operator: its jobs wait"
            text = text if self.pause.is_on else "backend %s is resumed: its jobs are delivered"
            self._log(logging.INFO, text, self._config.name)
        self.limit.claimed(now, retry_in, is_served=bool(jobs))
        if breaker.state is BreakerState.CLOSED and breaker.paused_for > 0:
            self.throttling.pause(now, breaker.paused_for)
        if self.breaker is not None:
            self._take_over(self.breaker, breaker, jobs)

    def _take_over(self, seen: SeenBreaker, breaker: Breaker, jobs: Sequence[Claimed]) -> None:
        if jobs and self._is_probed_here(breaker):
            jobs[0].is_probe = True
            self._probes += 1
        seen.claimed(breaker)
        if self._is_probed_here(seen.stored) and not self._probes and not seen.has_unwritten:
            # The claim that took this probe had its reply lost.
            self._tell(seen, ProbeWithoutNews(runner_id=self._runner_id))

    def _is_probed_here(self, breaker: Breaker) -> bool:
        return breaker.state is BreakerState.HALF_OPEN and breaker.probe_runner == self._runner_id

    def adjust(self, concurrency: int, *, is_limited: bool) -> None:
        """Note that the backend takes so many attempts at a time here, and whether the fleet has limits."""
        self.throttling.widen(concurrency)
        self._is_limited = is_limited
        self.limit.forget()
        if self._isolation is not None:
            self._isolation.concurrency = concurrency

    # --- attempts ---

    def may_start(self, claim: Claimed, in_flight: int) -> bool:
        """Whether an attempt may start, as one of so many in flight; else the claim is given back."""
        if self.pause.is_on:
            return False
        if self._is_limited and self._clock() - claim.received_at > LONGEST_HELD:
            return False  # sent later, with others, it would be more than the limits allow
        if claim.is_probe:
            return True
        breaker = self.breaker
        if breaker is not None and breaker.view is not NEW and not breaker.lets_through:
            return False
        throttling = self.throttling
        is_due = not throttling.next_at or self._clock() >= throttling.next_at
        return is_due and in_flight <= throttling.limit

    def deferred(self, claim: Claimed) -> Deferred | None:
        """Defer a job whose route doesn't answer; None: it is sent, as the route's probe if need be."""
        if self.routes.are_free:
            return None
        waited = claim.waited
        wait = self.routes.wait(claim.job, self._clock(), waited=waited)
        if claim.is_probe or wait <= 0:
            return None
        return Deferred(delay=wait * (1 + claim.retry.jitter * self._random()), waited=waited)

    def note(self, claim: Claimed, outcome: Outcome, *, is_sure: bool = True) -> Outcome | Deferred | None:
        """Count an attempt's outcome; return what it is to its job.

        It counts, or is deferred (a backend that throttles did nothing); None: the claim is given back, for
        it was a probe that couldn't even connect. Not ``is_sure``: the fault may be this process's own.
        """
        now, started_at = self._clock(), claim.started_at or claim.claimed_at
        if isinstance(outcome, Delivered):
            self._answered(claim, outcome, now, started_at)
            return outcome
        cap = claim.retry.cap if self._isolation is None else LONGEST_REST
        rests = asked = seconds_asked(outcome, cap)
        if is_sure:
            news = self._route_news(claim, outcome, now, asked)
            rests = news.rests
            if not self._counts(claim, outcome, news, now, asked):
                return None
        else:
            self.unsent(claim)
        if outcome.name in {SNOOZED, WAITING}:
            return self._deferral(claim, outcome, outcome.again_in or 0.0)
        if outcome.name not in DEFERRED_NAMES:
            return outcome
        if self._isolation is not None:
            spread = 1 + claim.retry.jitter * self._random()
            return self._deferral(claim, outcome, (rests or LOOK_AGAIN) * spread)
        return self._throttled(claim, outcome, now, asked)

    def _answered(self, claim: Claimed, outcome: Delivered, now: float, started_at: float) -> None:
        is_all = self.routes.answered(claim.job.path, now)  # of its route, as nearly always
        if not is_all or claim.is_probe or (self.breaker is not None and self.breaker.view is not NEW):
            self._counts(claim, outcome, self._route_news(claim, outcome, now), now)
        self.throttling.delivered(now, started_at)

    def unsent(self, claim: Claimed) -> None:
        """Note a claim without an outcome: if it is a probe, another runner may take the next one."""
        self.routes.unsent(claim.job, self._clock())
        if self._end_probe(claim) and self.breaker is not None:
            self._tell(self.breaker, ProbeWithoutNews(runner_id=self._runner_id))

    def lost(self, runners: Collection[str]) -> None:
        """Note dead runners: if one had the probe, another runner may take the next one."""
        if self.breaker is not None and (runner_id := self.breaker.stored.probe_runner) in runners:
            self._tell(self.breaker, ProbeWithoutNews(runner_id=str(runner_id)))

    def _route_news(self, claim: Claimed, outcome: Outcome, now: float, asked: float = 0.0) -> RouteNews:
        """Count an outcome for the job's route."""
        started_at = claim.started_at or claim.claimed_at
        news = self.routes.note(claim.job, outcome, now, started_at=started_at, asked=asked)
        if news.change is not None:
            self._log_route(claim.job, news.change, outcome)
        return news

    def _counts(
        self, claim: Claimed, outcome: Outcome, route: RouteNews, now: float, asked: float = 0.0
    ) -> bool:
        """Count an outcome for the breaker; whether the attempt counts for its job."""
        seen = self.breaker
        if seen is None or (route.is_own and not claim.is_probe):
            return True
        started_at = claim.started_at or claim.claimed_at
        probe_of = self._runner_id if claim.is_probe else None
        event = event_of(outcome, asked=asked, probe_of=probe_of, took=now - started_at)
        was_probe = self._end_probe(claim)
        if isinstance(outcome, Undelivered) and is_unavailable(outcome):
            seen.latest_failure = (claim.job, _said(outcome))
        if event is not None:
            self._tell(seen, event)
        return not (was_probe and never_connected(outcome))

    def _throttled(self, claim: Claimed, outcome: Undelivered, now: float, asked: float) -> Deferred:
        if asked > 0 and self.breaker is None and self.shown is not None:
            self._tell(self.shown, Answered(retry_after=asked))
        delay = self.throttling.throttled(now, claim.started_at or claim.claimed_at, asked)
        if asked <= 0:
            delay *= 1 + claim.retry.jitter * (2 * self._random() - 1)
        return self._deferral(claim, outcome, delay)

    def _deferral(self, claim: Claimed, outcome: Undelivered, delay: float) -> Deferred:
        give_up_after = claim.retry.give_up_after
        return Deferred(
            delay=delay,
            outcome=outcome,
            rests=outcome.name == WAITING,
            waited=claim.waited,
            give_up_after=give_up_after,
        )

    def _end_probe(self, claim: Claimed) -> bool:
        was_probe, claim.is_probe = claim.is_probe, False
        self._probes -= was_probe
        return was_probe

    def _tell(self, seen: SeenBreaker, event: BreakerEvent) -> None:
        if seen.note(event):
            self._news()

    def _log_route(self, job: Job, change: BreakerChange, outcome: Outcome) -> None:
        """Log what has become of the breaker of a job's route, if it is news."""
        name = self._config.name
        facts = {"backend": name, "path": job.path, **facts_of(job)}
        if change.opens and isinstance(outcome, Undelivered):
            text = "backend %s: %.100r doesn't answer in time (%s: %s): its jobs wait, others are sent; %s"
            retry = f"one of them is tried in {change.pause:.1f} s, then less often"
            said_of_it = (name, job.path, named(job), _said(outcome), retry)
            self._log(logging.WARNING, text, *said_of_it, extra={"event": "breaker_opened", **facts})
        elif change.closes:
            text = "backend %s: %.100r answers again: its jobs are sent"
            extra = {"event": "breaker_closed", **facts}
            self._log(logging.WARNING, text, name, job.path, extra=extra)


def _said(outcome: Undelivered) -> str:
    return said(outcome)[:200]


LOOK_AGAIN = 0.05
"""Seconds between two looks at a paused backend while signals come in: one may be of its resume."""


@attrs.define
class Pause:
    """The pause of one backend.

    Attributes:
        is_on: The latest claim that could tell has found it paused.
        until: When it is claimed for again, to see whether the pause is over.
    """

    is_on: bool = False
    until: float = 0.0
    _looked_at: float = 0.0

    def signal(self) -> None:
        """Note a signal of work: it may mean that the backend is resumed."""
        if self.is_on:
            self.until = min(self.until, self._looked_at + LOOK_AGAIN)

    def claimed(self, now: float, seconds: float | None, poll: float) -> bool:
        """Take over what a claim found; return whether that is news.

        ``seconds``: that the pause lasts yet; None: there is none. After the ``poll`` it is looked at again.
        """
        was_on, self.is_on = self.is_on, seconds is not None
        if seconds is not None:
            self._looked_at, self.until = now, now + min(seconds, poll)
        else:
            self.until = 0.0
        return self.is_on is not was_on


SHORTEST_FUTILE, LONGEST_FUTILE = 0.001, 0.25
"""Seconds until a claim that was cut off before it came to a job is repeated; doubled each time."""


@attrs.define
class Limit:
    """The limits of one backend, as the latest claim found them.

    Attributes:
        until: When a claim may get some of the jobs that it had to leave.
    """

    until: float = 0.0
    _futile: float = 0.0  # seconds, while claims are cut off without a job

    def claimed(self, now: float, retry_in: float | None, *, is_served: bool) -> None:
        """Take over what a claim says: after how many seconds there may be more.

        ``is_served``: it has got jobs.
        """
        is_futile = retry_in == 0 and not is_served
        self._futile = min(max(2 * self._futile, SHORTEST_FUTILE), LONGEST_FUTILE) if is_futile else 0.0
        self.until = now + (retry_in or self._futile)

    def forget(self) -> None:
        """Note that one of the jobs has ended, or the limits are others: another may be sent."""
        self.until = 0.0


LONGEST_DELAY = 30.0
"""Seconds, at most, before a job is tried again whose backend throttled it without saying for how long."""

SHORTEST_HOLD, LONGEST_HOLD = 1.0, 30.0
"""Seconds after a pause in which no more than half of what was too much is tried: as long as the pause was,
within these bounds. A backend that counts by the second has been asked for a whole second by then."""

SHORTENED, SHORTEST_GAP = 0.9, 0.001
"""The part that each 2xx leaves of the gap between two requests, and the seconds below which a gap is
none."""

FADING = 1.1
"""How much longer a time counts as enough, each time that it wasn't: the limit may be lower by now."""


class Throttling:
    """Limit how many requests at a time this runner sends to one backend.

    Attributes:
        limit: Requests at a time; ``concurrency`` unless the backend has throttled.
        next_at: When the next request may be sent.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self.limit: int = concurrency
        self._reach = concurrency  # up to here each 2xx allows one more
        self._taken = 0  # 2xx since the last pause
        self._credit = 0  # 2xx since the limit was last raised, beyond the reach
        self._hold = 0.0
        self._paused_at = 0.0
        self.next_at: float = 0.0
        self._paused_until = 0.0
        self._gap = 0.0  # seconds from one request to the next, where one at a time is too much
        self._in_a_row = 0  # throttled answers without a 2xx between; those to requests sent at once are one
        self._counted_at = float("-inf")
        self._taken_at = float("-inf")  # when the latest request that got a 2xx was sent
        self._enough = float("inf")  # the shortest time from one of these to another, while there is a gap

    def widen(self, concurrency: int) -> None:
        """Allow so many at a time from now on, or fewer; what a backend has throttled stays throttled."""
        is_throttled = self.limit < self._concurrency or self._gap > 0
        self._concurrency = concurrency
        self.limit = min(self.limit, concurrency) if is_throttled else concurrency
        self._reach = min(self._reach, concurrency) if is_throttled else concurrency

    def delivered(self, now: float, started_at: float) -> None:
        """Count a 2xx to a request that was sent at ``started_at``."""
        self._in_a_row = 0
        if started_at < self._paused_at:
            return
        self._taken += 1
        apart, self._taken_at = abs(started_at - self._taken_at), max(started_at, self._taken_at)
        if self._gap > 0:
            self._enough = min(self._enough, max(apart, SHORTEST_GAP))
            self._shorten_gap(now, started_at)
        elif self.limit >= self._concurrency:
            return
        elif self.limit < self._reach:
            self.limit += 1
        elif now - self._paused_until >= self._hold:
            self._credit += 1
            if self._credit >= self.limit:
                self.limit, self._credit = self.limit + 1, 0

    def throttled(self, now: float, started_at: float, asked: float) -> float:
        """Count a throttled answer; return the seconds until the job is tried again, before the jitter.

        ``asked``: seconds for which the backend asked to be left alone; 0: it didn't say.
        """
        if started_at > self._counted_at:
            self._in_a_row, self._counted_at = self._in_a_row + 1, now
        doublings = min(max(self._in_a_row - 1, 0), 10)
        delay = asked if asked > 0 else min(2.0**doublings, LONGEST_DELAY)
        if self.limit == 1 and 0 < self._paused_until <= now:  # one at a time, and it was after a pause
            self._lengthen_gap(now, started_at)
        if asked > 0 or self.limit == 1:
            self.pause(now, delay)
        else:
            self._reach = self.limit = max(self.limit // 2, 1)
            self._credit = 0
        return delay

    def pause(self, now: float, seconds: float) -> None:
        """Send nothing for so long, whichever worker was to, and approach the backend anew then."""
        if now >= self._paused_until:
            self._reach = max(min(self.limit, self._taken) // 2, 1)
            self.limit, self._taken, self._credit = 1, 0, 0
            self._paused_at = now
        if now + seconds > self._paused_until:
            self._paused_until = now + seconds
            self.next_at = max(self.next_at, self._paused_until)
            self._hold = min(max(self._paused_until - self._paused_at, SHORTEST_HOLD), LONGEST_HOLD)

    def _lengthen_gap(self, now: float, started_at: float) -> None:
        """Send half as often; at first as seldom as requests were taken since the pause before.

        A backend that has taken one after a shorter time refuses for another reason: its limit is shared
        with others, or it fails at random. To send less often would help nobody.
        """
        if started_at - self._taken_at > self._enough:
            self._enough *= FADING
            return
        if self._gap > 0:
            self._gap = min(2 * self._gap, LONGEST_DELAY)
        elif self._taken <= 1:
            self._gap = min(now - self._paused_at, LONGEST_DELAY)

    def _shorten_gap(self, now: float, started_at: float) -> None:
        """Send a little more often; where the backend itself takes as long, there is no gap any more."""
        self._gap *= SHORTENED
        if self._gap <= max(now - started_at, SHORTEST_GAP):
            self._gap = 0.0
        self.next_at = max(started_at + self._gap, self._paused_until)
