"""Read rates, failures and durations over time, from the rollups that outlive the jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from sp00ky_core import BackendStats, Outbox, Rates
from sp00ky_core.errors import CallUnsupported
from sp00ky_core.metrics.rates import percentile
from sp00ky_core.metrics.summing import step_of

EXACT = 10_000
"""Numbers of jobs up to which they are counted; beyond it is an estimate, which doesn't scan."""

LATE = timedelta(seconds=10)
"""Runners write a minute's attempts within so long after it."""


REPEATED = ("retry", "throttled", "unknown")
"""Outcomes after which a job is tried again, or may be."""


@attrs.frozen(kw_only=True)
class Range:
    """A time to look back at.

    Attributes:
        name: In the URL.
        title: On the page.
        length: From then until now.
        step: Of one point of a chart.
    """

    name: str
    title: str
    length: timedelta
    step: timedelta


RANGES = {
    each.name: each
    for each in (
        Range(name="hour", title="Last hour", length=timedelta(hours=1), step=timedelta(minutes=1)),
        Range(name="day", title="Last day", length=timedelta(days=1), step=timedelta(minutes=15)),
    )
}


@attrs.frozen(kw_only=True)
class Series:
    """The attempts of one queue over time: those of all backends that share its table.

    Attributes:
        times: When each step begins, seconds since 1970.
        succeeded: Attempts a minute, in each step.
        repeated: Those that failed and are repeated, or were throttled.
        failed: Those after which the job failed.
        attempts: All of the time.
        failures: Of them, those that failed for good.
        retries: Of them, those that are repeated.
        p95: Seconds within which 95 % of all were answered; None: there were none.
    """

    times: tuple[int, ...]
    succeeded: tuple[float, ...]
    repeated: tuple[float, ...]
    failed: tuple[float, ...]
    attempts: int
    failures: int
    retries: int
    p95: float | None

    @property
    def chart(self) -> dict[str, Any]:
        """Return what the browser draws."""
        lines = (("Succeeded", "success"), ("To be repeated", "warning"), ("Failed", "failed"))
        values = (self.succeeded, self.repeated, self.failed)
        return {
            "times": self.times,
            "lines": [
                {"label": label, "tone": tone, "values": each}
                for (label, tone), each in zip(lines, values, strict=True)
            ],
        }

    @property
    def summary(self) -> str:
        """Say what the chart shows, for those who don't see it."""
        peak = max(self.succeeded, default=0.0)
        return (
            f"{self.attempts:,} attempts: {self.failures:,} failed, {self.retries:,} to be repeated; "
            f"at most {peak:,.1f} succeeded a minute"
        )


async def series(outbox: Outbox, within: Range) -> Mapping[str, Series] | None:
    """Return each queue's attempts, in steps that have ended; None: the store keeps no rollups."""
    now = datetime.now(UTC)
    end = step_of(now - LATE, int(within.step.total_seconds()))  # else each line falls to zero at its end
    try:
        rows = await outbox.rates(since=end - within.length, until=end, step=within.step)
        totals = await outbox.rates(since=now - within.length, until=now)
    except CallUnsupported:
        return None
    steps, wholes = _by_queue(outbox, rows), _by_queue(outbox, totals)
    return {name: _series(steps.get(name, []), found) for name, found in wholes.items()}


def _by_queue(outbox: Outbox, rows: Iterable[Rates]) -> dict[str, list[Rates]]:
    """Group rows by the backend that names their table: one queue may have several."""
    found: dict[str, list[Rates]] = {}
    for row in rows:
        backend = outbox.backends.get(row.backend)
        name = row.backend if backend is None else backend.table.backend
        found.setdefault(name, []).append(row)
    return found


async def stats(outbox: Outbox) -> Mapping[str, BackendStats]:
    """Return each queue in numbers, without a scan of the table."""
    return await outbox.stats(limit=EXACT)


def _series(rows: Iterable[Rates], wholes: Sequence[Rates]) -> Series:
    steps: dict[datetime, list[Rates]] = {}
    for row in rows:
        steps.setdefault(row.at, []).append(row)
    parts = list(steps.values())
    buckets = list(map(sum, zip(*(each.buckets for each in wholes), strict=True)))
    return Series(
        times=tuple(int(at.timestamp()) for at in steps),
        succeeded=_per_minute(parts, ("success",)),
        repeated=_per_minute(parts, REPEATED),
        failed=_per_minute(parts, ("failed",)),
        attempts=sum(each.attempts for each in wholes),
        failures=_count(wholes, ("failed",)),
        retries=_count(wholes, REPEATED),
        p95=percentile(buckets, 0.95),
    )


def _count(rows: Iterable[Rates], outcomes: Iterable[str]) -> int:
    return sum(row.outcomes.get(each, 0) for row in rows for each in outcomes)


def _per_minute(parts: Iterable[Sequence[Rates]], outcomes: Sequence[str]) -> tuple[float, ...]:
    return tuple(round(60 * _count(rows, outcomes) / (rows[0].seconds or 60), 3) for rows in parts)
