"""Carry a queue in numbers: its depth, its breaker, its errors; and how attempts ended, by the minute.

Rollups outlive the jobs' retention: rates and percentiles over time need no job rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Self

import attrs

from sp00ky_core.gate.breaker import Breaker, BreakerState
from sp00ky_core.job.outcome import HTTP, status_text
from sp00ky_core.ports.fleet import Pause
from sp00ky_core.ports.job_table import JobTable

__all__ = ["BackendStats", "BreakerResult", "BreakerStats", "ErrorGroup", "JobGroup"]
__all__ += ["BUCKETS", "BUCKET_BOUNDS", "COARSE_BOUNDS", "MINUTES_KEPT", "OUTCOMES", "ROLLUPS_KEPT"]
__all__ += ["Rollup", "RollupQuery", "coarse_buckets", "fine_buckets", "hour_of", "step_of", "summed"]
__all__ += ["joined_errors"]


@attrs.frozen(kw_only=True)
class BreakerResult:
    """The fate of a breaker's change.

    Attributes:
        written: Else the breaker had changed meanwhile, and nothing was written.
        breaker: As it is now.
    """

    written: bool
    breaker: Breaker


@attrs.frozen(kw_only=True)
class BreakerStats:
    """A backend's breaker, as the fleet sees it.

    Attributes:
        state: Whether jobs are sent.
        paused_for_s: Seconds until jobs are sent again.
    """

    state: BreakerState = BreakerState.CLOSED
    paused_for_s: float = 0.0

    @classmethod
    def of(cls, table: JobTable, breaker: Breaker | None) -> Self:
        """Return what claims of a table heed of a breaker; None: it has never changed.

        The rows of a breaker are the backend's; an open one that is turned off keeps nothing from being sent.
        """
        if breaker is None or not (table.breaker or breaker.state is BreakerState.CLOSED):
            return cls()
        return cls(state=breaker.state, paused_for_s=breaker.paused_for)


@attrs.frozen(kw_only=True)
class BackendStats:
    """A backend's queue in numbers; field names are those of ``jobs stats --json``.

    Attributes:
        pending: Jobs that wait.
        due: Those of them that could be claimed now.
        processing: Jobs that a runner has.
        success: Delivered jobs that are still kept.
        failed: Failed ones.
        stalled: Processing, and the lease has run out, is missing, or is beyond any possible one.
        deferred: Pending with ``deferred_since``: throttled, or a route that is not known yet.
        oldest_deferred_s: Since the earliest ``deferred_since``; None: none is deferred.
        oldest_due_s: Age of the job that has been due longest; None: none is due.
        breaker: Its breaker.
        paused: An operator's pause that holds now.
        empty_in_s: Seconds, at least and at most, until what is due is done, if all goes on as in the last
            minute; None: that can't be said, or more comes than goes. ``Outbox.stats`` says it.
        ended_per_s: Jobs that ended in a second, in the latest 15 s. ``Outbox.stats`` says it.
    """

    pending: int = 0
    due: int = 0
    processing: int = 0
    success: int = 0
    failed: int = 0
    stalled: int = 0
    deferred: int = 0
    oldest_deferred_s: float | None = None
    oldest_due_s: float | None = None
    breaker: BreakerStats = BreakerStats()
    paused: Pause | None = None
    empty_in_s: tuple[float, float] | None = None
    ended_per_s: float | None = None


@attrs.frozen(kw_only=True)
class JobGroup:
    """Jobs of a route, or of whom they are assigned to, in numbers.

    Attributes:
        backend: Theirs.
        path: Theirs, where they are grouped by route; else empty.
        assigned_to: Theirs, where they are grouped by it; None: nobody's.
        pending: How many wait.
        processing: How many a runner has.
        success: How many were delivered, and are kept.
        failed: How many failed, and are kept.
        p50_s: Seconds within which half of the attempts of a route ended, or half of the jobs of whom they
            are assigned to, from their creation; None: that isn't known. ``Outbox.groups`` says it.
        p95_s: Within which 95 % did.
        p99_s: Within which 99 % did.
    """

    backend: str
    path: str = ""
    assigned_to: str | None = None
    pending: int = 0
    processing: int = 0
    success: int = 0
    failed: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None

    @property
    def count(self) -> int:
        """How many jobs the group has."""
        return self.pending + self.processing + self.success + self.failed


@attrs.frozen(kw_only=True)
class ErrorGroup:
    """Jobs that are failed, or wait for a retry, by their last error.

    Attributes:
        backend: Theirs.
        path: Theirs; empty where they are grouped by whom they are assigned to.
        name: ``name`` of the last entry in ``errors``.
        code: Its ``code``.
        count: How many jobs.
        first: The earliest ``updated_at`` among them.
        last: The latest.
        example: The id of the job that has that.
        scheme: Whose code it is, by the backend's transport; a store leaves it.
        assigned_to: Theirs, where they are grouped by it; None: nobody's.
    """

    backend: str
    path: str
    name: str
    code: int
    count: int
    first: datetime
    last: datetime
    example: str
    scheme: str = HTTP
    assigned_to: str | None = None

    def __str__(self) -> str:
        """Say it in short: ``HTTP 503``, ``AMQP 312``, or the name where there is no code."""
        return status_text(self.scheme, self.code) or self.name


def joined_errors(groups: Iterable[ErrorGroup]) -> list[ErrorGroup]:
    """Join groups that have all but their numbers in common; the largest first."""
    joined: dict[tuple[str, str, str, str, int], ErrorGroup] = {}
    for group in groups:
        key = (group.backend, group.path, group.assigned_to or "", group.name, group.code)
        other = joined.get(key, group)
        latest = max(group, other, key=lambda one: (one.last, one.example))
        count = group.count + (other.count if key in joined else 0)
        joined[key] = attrs.evolve(latest, count=count, first=min(group.first, other.first))
    return [group for _, group in sorted(joined.items(), key=lambda item: (-item[1].count, item[0]))]


OUTCOMES = ("success", "retry", "failed", "throttled", "unknown")
"""Outcomes of attempts as they are counted; ``unknown``: whether the backend did anything isn't known."""

COARSE_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds: the upper bounds of the buckets of metrics, and of 0.2's. They stay as they are."""

_STEPS = (1.0, 1.2, 1.5, 1.8, 2.1, 2.5, 3.0, 3.6, 4.2, 5.0, 6.0, 7.0, 8.2)

_ROUND = [round(step * 10.0**power, 4) for power in range(-3, 3) for step in _STEPS]

BUCKET_BOUNDS = tuple(bound for bound in _ROUND if COARSE_BOUNDS[0] <= bound <= COARSE_BOUNDS[-1])
"""Seconds: the upper bounds of the buckets of durations, each at most a quarter above the one before.

All of ``COARSE_BOUNDS`` are among them. They stay as they are: rows of a month hold them.
"""

BUCKETS = len(BUCKET_BOUNDS) + 1
"""How many buckets there are: the last one has what takes longer than the last bound."""

MINUTES_KEPT = 48 * 3_600.0
"""Seconds after which minutes are folded to hours."""

ROLLUPS_KEPT = 30 * 86_400.0
"""Seconds after which hours are deleted."""


@attrs.frozen(kw_only=True)
class Rollup:
    """A row of ``sp00ky_rollup``: attempts of one kind that ended in one minute, or in one hour.

    All but the last three fields are its key.

    Attributes:
        minute: When it began, by the database's clock; of one that was folded: when its hour began.
        runner_id: Who made the attempts, with ``~1`` and so on once the clock has gone back; empty: it was
            folded, or is of several runners.
        backend: The backend's name.
        path: The route; empty: none that a document has.
        outcome: One of ``OUTCOMES``.
        code: The HTTP status; 0: there was none.
        count: How many attempts.
        seconds_sum: How long those together took whose duration is known.
        buckets: How many of these took up to each bound, and longer than the one before; ``BUCKETS`` numbers.
    """

    minute: datetime
    runner_id: str = ""
    backend: str
    path: str = ""
    outcome: str
    code: int = 0
    count: int
    seconds_sum: float = 0.0
    buckets: tuple[int, ...] = (0,) * BUCKETS


@attrs.frozen(kw_only=True)
class RollupQuery:
    """Which rollups are wanted, and how they are summed up.

    Attributes:
        since: Those that began then or later.
        until: Those that began before then; None: all.
        backend: The backend's name.
        step: Seconds: one row for all that began within each such part of the time since 1970; None: one row
            for all.
        routes: A row for each path; else for all paths of a backend together, and ``path`` is empty.
    """

    since: datetime
    until: datetime | None = None
    backend: str | None = None
    step: int | None = None
    routes: bool = False


def coarse_buckets(buckets: Iterable[float]) -> tuple[int, ...]:
    """Sum up buckets to those of ``COARSE_BOUNDS``, and what is beyond."""
    return _sorted_into(COARSE_BOUNDS, BUCKET_BOUNDS, buckets)


def fine_buckets(counts: Iterable[float]) -> tuple[int, ...]:
    """Take the counts of coarse buckets for those of the buckets that have the same upper bounds."""
    return _sorted_into(BUCKET_BOUNDS, COARSE_BOUNDS, counts)


def _sorted_into(
    bounds: Sequence[float], from_bounds: Sequence[float], counts: Iterable[float]
) -> tuple[int, ...]:
    sums = [0] * (len(bounds) + 1)
    for bound, count in zip((*from_bounds, math.inf), counts, strict=False):
        sums[bisect_left(bounds, bound)] += int(count)
    return tuple(sums)


def hour_of(at: datetime) -> datetime:
    """Return the beginning of an instant's hour."""
    return step_of(at, 3_600)


def step_of(at: datetime, seconds: int) -> datetime:
    """Return the beginning of an instant's step: steps are counted from 1970."""
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def summed(rollups: Iterable[Rollup], query: RollupQuery) -> list[Rollup]:
    """Sum up rollups as ``Store.rollups`` does, all of them, in its order."""
    sums: dict[tuple[datetime, str, str, str, int], Rollup] = {}
    for rollup in rollups:
        minute = query.since if query.step is None else step_of(rollup.minute, query.step)
        path = rollup.path if query.routes else ""
        key = (minute, rollup.backend, path, rollup.outcome, rollup.code)
        so_far = sums.get(key)
        if so_far is None:
            sums[key] = attrs.evolve(rollup, minute=minute, path=path, runner_id="")
        else:
            sums[key] = _sum(so_far, rollup)
    return [sums[key] for key in sorted(sums)]


def _sum(one: Rollup, other: Rollup) -> Rollup:
    return attrs.evolve(
        one,
        count=one.count + other.count,
        seconds_sum=one.seconds_sum + other.seconds_sum,
        buckets=tuple(a + b for a, b in zip(one.buckets, other.buckets, strict=True)),
    )
