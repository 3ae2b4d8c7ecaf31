"""Carry how many attempts ended how, by the minute.

Rollups outlive the jobs' retention: rates and percentiles over time need no job rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import attrs

__all__ = ["BUCKETS", "BUCKET_BOUNDS", "COARSE_BOUNDS", "MINUTES_KEPT", "OUTCOMES", "ROLLUPS_KEPT"]
__all__ += ["Rollup", "RollupQuery", "coarse_buckets", "fine_buckets", "hour_of", "step_of", "summed"]

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
