"""Read rates, failures and durations over time, from the rollups that outlive the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import attrs

from sp00ky_core import BackendStats, Outbox
from sp00ky_core.observe.metrics import EXACT
from sp00ky_core.observe.rates import Rates, percentile
from sp00ky_core.ports.rollups import step_of
from sp00ky_dashboard.observe.cache import Cache

FRESH_SECONDS = 0.5
"""Numbers of jobs are given again for so long: a page that is kept up to date is never 2 s behind."""

MINUTE = 60

WRITTEN = timedelta(seconds=10)
"""After the end of a minute its attempts are in the rollups."""

REPEATED = ("retry", "throttled", "unknown")
"""Outcomes after which a job is attempted again."""


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
    span.name: span
    for span in (
        Range(name="hour", title="Last hour", length=timedelta(hours=1), step=timedelta(minutes=1)),
        Range(name="day", title="Last day", length=timedelta(days=1), step=timedelta(minutes=15)),
    )
}


@attrs.frozen(kw_only=True)
class Series:
    """The attempts on the backends of one table over time.

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
        lines = (("Succeeded", "success"), ("Retried", "warning"), ("Failed", "failed"))
        values = (self.succeeded, self.repeated, self.failed)
        return {
            "times": self.times,
            "lines": [
                {"label": label, "tone": tone, "values": points}
                for (label, tone), points in zip(lines, values, strict=True)
            ],
        }

    @property
    def summary(self) -> str:
        """Say what the chart shows, for those who don't see it."""
        peak = max(self.succeeded, default=0.0)
        return (
            f"{self.attempts:,} attempts: {self.failures:,} failed, {self.retries:,} retried; "
            f"at most {peak:,.1f} succeeded a minute"
        )


def written_until(now: datetime) -> datetime:
    """Return the end of the last minute whose attempts are in the rollups."""
    return step_of(now - WRITTEN, MINUTE)


async def attempts(outbox: Outbox, within: Range, until: datetime) -> Sequence[Rates]:
    """Return each backend's attempts in each step until a minute's end."""
    return await outbox.rates(since=until - within.length, until=until, step=within.step)


async def stats(outbox: Outbox, cache: Cache, patience: float | None = None) -> Mapping[str, BackendStats]:
    """Return each queue in numbers that were true lately, without a scan of the table.

    Those up to ``EXACT`` are exact; a larger one says only that it is larger. Raises ``StillReading``, as
    ``Cache.get`` does.
    """
    ask = partial(outbox.stats, limit=EXACT + 1)
    return await cache.get("stats", ask, fresh=FRESH_SECONDS, slow_times=1, patience=patience)


def series_of(rates: Sequence[Rates], backends: Collection[str]) -> Series:
    """Sum up the attempts on some backends."""
    steps: dict[datetime, list[Rates]] = {}
    for rate in rates:
        if rate.backend in backends:
            steps.setdefault(rate.at, []).append(rate)
    chosen = [rate for step in steps.values() for rate in step]
    total = _outcomes(chosen)
    buckets = [sum(counts) for counts in zip(*(rate.buckets for rate in chosen), strict=True)]
    return Series(
        times=tuple(int(at.timestamp()) for at in steps),
        succeeded=_per_minute(steps, ("success",)),
        repeated=_per_minute(steps, REPEATED),
        failed=_per_minute(steps, ("failed",)),
        attempts=total.total(),
        failures=total["failed"],
        retries=sum(total[outcome] for outcome in REPEATED),
        p95=percentile(buckets, 0.95),
    )


def _per_minute(steps: Mapping[datetime, Sequence[Rates]], outcomes: Collection[str]) -> tuple[float, ...]:
    return tuple(
        round(MINUTE * sum(_outcomes(step)[name] for name in outcomes) / step[0].seconds, 3)
        for step in steps.values()
    )


def _outcomes(rates: Collection[Rates]) -> Counter[str]:
    return sum((Counter(rate.outcomes) for rate in rates), Counter[str]())
