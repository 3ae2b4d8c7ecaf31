"""Count attempts by backend, route, outcome and code, and turn what was counted into rates. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.options import expect
from sp00ky_core.job.outcome import OUTCOME_UNKNOWN
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import (
    BUCKET_BOUNDS,
    BUCKETS,
    MINUTES_KEPT,
    OUTCOMES,
    ROLLUPS_KEPT,
    Rollup,
    RollupQuery,
)
from sp00ky_core.ports.statistics import step_of

__all__ = ["Rates", "percentile"]

Kind = tuple[str, str, str, int]
"""What attempts are counted by: their backend, path (a route, or empty), outcome and code."""

Counts = list[float]
"""How many attempts there are, the seconds that they took together, and how many of them are in each
bucket."""

COUNT, SECONDS, FIRST_BUCKET = 0, 1, 2
CODES = range(100, 600)
"""Codes that are counted on their own; any other one counts as 0, so that there are few."""


class Counters:
    """Keep what one process has counted since its start; numbers only grow.

    Attributes:
        attempts: By kind.
        leases_lost: Outcomes that weren't written, for the row was another's by then.
        store_errors: Calls of the store that failed.
    """

    def __init__(self) -> None:
        self.attempts: dict[Kind, Counts] = {}
        self.leases_lost = 0
        self.store_errors = 0

    def attempt(self, kind: Kind, seconds: float | None = None) -> None:
        """Count one attempt; ``seconds``: how long it took, where that is known."""
        counts = self.attempts.get(kind)
        if counts is None:
            counts = self._counts(kind)
        counts[COUNT] += 1
        if seconds is not None:
            counts[SECONDS] += seconds
            counts[FIRST_BUCKET + bisect_left(BUCKET_BOUNDS, seconds)] += 1

    def _counts(self, kind: Kind) -> Counts:
        backend, path, outcome, code = kind
        known = (backend, path, outcome, code if code in CODES else 0)
        return self.attempts.setdefault(known, [0, 0.0, *[0] * BUCKETS])

    def add(self, attempts: Iterable[tuple[Kind, Counts]]) -> None:
        """Add what another process has counted."""
        for kind, counts in attempts:
            own = self._counts(kind)
            own[:] = [one + other for one, other in zip(own, counts, strict=True)]

    def since(self, before: Mapping[Kind, Counts]) -> dict[Kind, Counts]:
        """Return what has been counted since a ``copy`` was made; kinds of which nothing was are left out."""
        return {
            kind: [now - then for now, then in zip(counts, before[kind], strict=True)]
            if kind in before
            else counts[:]
            for kind, counts in self.attempts.items()
            if kind not in before or counts[COUNT] > before[kind][COUNT]
        }

    def copy(self) -> dict[Kind, Counts]:
        """Copy what was counted."""
        return {kind: counts[:] for kind, counts in self.attempts.items()}


def outcome_of(transition: Transition, retries: int) -> str | None:
    """Return the outcome of an attempt by what becomes of its job, which had made so many retries.

    None: no attempt was made, and the job waits as if it hadn't been claimed.
    """
    if transition.to is JobStatus.SUCCESS:
        return "success"
    error = transition.error
    if error is not None and error.name == OUTCOME_UNKNOWN:
        return "unknown"
    if transition.to is JobStatus.FAILED:
        return "failed"
    if transition.defers and transition.retries == retries:
        return None if error is None else "throttled"
    return "retry"


MINUTE, HOUR, DAY = 60, 3_600, 86_400
MOST_STEPS = 10_000


@attrs.frozen(kw_only=True)
class Rates:
    """The attempts of a backend, or of one of its routes, in a part of the time.

    Attributes:
        at: When that part began.
        seconds: How long it is; the last step is cut after the minute in which the whole time ends.
        backend: The backend's name.
        path: The route; None: all together; empty: what no document has.
        attempts: How many ended.
        outcomes: How many of them ended how: each of ``success``, ``retry``, ``failed``, ``throttled``,
            ``unknown``.
        codes: Those that weren't a success, by HTTP status; 0: there was no answer.
        p50_s: Seconds within which half of the attempts ended; None: there was none.
        p95_s: ... and 95 % of them.
        p99_s: ... and 99 % of them.
        buckets: How many took up to each of ``BUCKET_BOUNDS``, and longer than the one before.
    """

    at: datetime
    seconds: float
    backend: str
    path: str | None = None
    attempts: int = 0
    outcomes: Mapping[str, int] = attrs.field(factory=lambda: dict.fromkeys(OUTCOMES, 0))
    codes: Mapping[int, int] = attrs.field(factory=dict)
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    buckets: tuple[int, ...] = (0,) * BUCKETS

    @property
    def per_second(self) -> float:
        """Attempts in a second, on average."""
        return self.attempts / self.seconds


def query_of(
    now: datetime,
    since: datetime,
    until: datetime | None,
    step: timedelta | None,
    backend: str | None,
    *,
    routes: bool,
) -> RollupQuery:
    """Choose what to read: whole minutes, whole hours where it is so long ago that minutes are folded.

    Raises:
        OptionInvalid: ``since`` isn't before ``until``, or longer ago than rollups are kept, or there would
            be more than ``MOST_STEPS`` steps.
    """
    unit = HOUR if (now - since).total_seconds() > MINUTES_KEPT - HOUR else MINUTE
    end = now if until is None else until
    _check_since(now, since, end)
    seconds = None if step is None else max(-(-round(step.total_seconds()) // unit), 1) * unit
    steps = 1 if seconds is None else (end - since).total_seconds() / seconds
    expect("step", step, f"at most {MOST_STEPS:,} steps", met=steps <= MOST_STEPS)
    return RollupQuery(
        since=step_of(since, seconds or unit), until=end, backend=backend, step=seconds, routes=routes
    )


def _check_since(now: datetime, since: datetime, end: datetime) -> None:
    expect("since", since, "before until, which is now by default", met=since < end)
    kept = f"{ROLLUPS_KEPT // DAY:.0f} days ago at most: for so long attempts are kept"
    is_kept = (now - since).total_seconds() <= ROLLUPS_KEPT + HOUR  # by whatever clock it was reckoned
    expect("since", since, kept, met=is_kept)


def rates_of(
    query: RollupQuery, until: datetime, rollups: Iterable[Rollup], known: Sequence[str]
) -> list[Rates]:
    """Sum up rollups, a row for each step and backend in order; a row of zeros where nothing ended.

    Args:
        query: What was asked for.
        until: Its end.
        rollups: What was read.
        known: Backends of which there is a row for each step (with ``query.routes``: none).
    """
    parts: dict[tuple[datetime, str, str | None], list[Rollup]] = {}
    if not query.routes:
        parts = {(at, backend, None): [] for at in _steps(query, until) for backend in known}
    for rollup in rollups:
        key = (rollup.minute, rollup.backend, rollup.path if query.routes else None)
        parts.setdefault(key, []).append(rollup)
    ordered = sorted(parts.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or ""))
    return [_rates(*key, _length(query, key[0], until), group) for key, group in ordered]


def _length(query: RollupQuery, at: datetime, until: datetime) -> float:
    """Seconds of the step that began then: the last one is cut after the minute in which the whole ends.

    Not within it, for a rollup is of a whole minute.
    """
    left = (until - at).total_seconds()
    return left if query.step is None else min(query.step, -(-left // MINUTE) * MINUTE)


def _steps(query: RollupQuery, until: datetime) -> list[datetime]:
    if query.step is None:
        return [query.since]
    count = -int(-(until - query.since).total_seconds() // query.step)
    return [query.since + timedelta(seconds=query.step * n) for n in range(count)]


def _rates(at: datetime, backend: str, path: str | None, seconds: float, rollups: Sequence[Rollup]) -> Rates:
    outcomes, codes = dict.fromkeys(OUTCOMES, 0), dict[int, int]()
    for rollup in rollups:
        outcomes[rollup.outcome] = outcomes.get(rollup.outcome, 0) + rollup.count
        if rollup.outcome != "success":
            codes[rollup.code] = codes.get(rollup.code, 0) + rollup.count
    buckets = tuple(map(sum, zip(*(rollup.buckets for rollup in rollups), strict=True))) or (0,) * BUCKETS
    p50, p95, p99 = (percentile(buckets, share) for share in (0.5, 0.95, 0.99))
    if (timed := sum(buckets)) and timed == max(buckets):  # all are alike: their mean says more than a bound
        p50 = p95 = p99 = sum(rollup.seconds_sum for rollup in rollups) / timed
    return Rates(
        at=at,
        seconds=seconds,
        backend=backend,
        path=path,
        attempts=sum(outcomes.values()),
        outcomes=outcomes,
        codes=dict(sorted(codes.items())),
        p50_s=p50,
        p95_s=p95,
        p99_s=p99,
        buckets=buckets,
    )


def empty_in(backlog: int, spans: Iterable[tuple[float, int, int]]) -> tuple[float, float] | None:
    """Say in how many seconds a backlog is gone, at least and at most, if all goes on so.

    Args:
        backlog: Jobs that are to end.
        spans: Seconds up to now, and how many jobs ended and came within them. What is counted in so short a
            time comes by chance in part: twice the deviation of such counts is allowed for.

    None: it can't be said, or as many come as go.
    """
    if not backlog:
        return 0.0, 0.0
    rates = []
    for seconds, ended, came in spans:
        net, chance = ended - came, 2 * math.sqrt(ended + came)
        if net > chance:
            rates += [(net - chance) / seconds, (net + chance) / seconds]
    return (round(backlog / max(rates), 1), round(backlog / min(rates), 1)) if rates else None


def percentile(buckets: Sequence[int], share: float) -> float | None:
    """Estimate within how many seconds a share of attempts ended: evenly spread within a bucket.

    What lies beyond the last bound counts as that bound, as Prometheus has it. None: there are none.
    """
    rank, below = share * sum(buckets), 0
    for count, bound, last in zip(buckets, BUCKET_BOUNDS, (0.0, *BUCKET_BOUNDS), strict=False):
        if count and below + count >= rank:
            return last + (bound - last) * (rank - below) / count
        below += count
    return BUCKET_BOUNDS[-1] if any(buckets) else None
