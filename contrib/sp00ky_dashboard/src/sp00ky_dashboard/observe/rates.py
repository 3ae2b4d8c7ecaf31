"""Read rates, failures and durations over time, from the rollups that outlive the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import attrs

from sp00ky_core import BackendStats, Outbox
from sp00ky_core.observe.rates import Rates, percentile
from sp00ky_core.ports.statistics import step_of

FRESH_SECONDS = 0.5
"""Numbers of jobs are given again for so long, or longer where they take long to count."""

MINUTE = 60

STEP = 2
"""Seconds after each of which the runners write what they have counted."""

WRITTEN = timedelta(seconds=1)
"""Then the attempts before that are in the rollups."""

Read = Callable[..., Awaitable[Any]]
"""Reads something once for all browsers: ``Cache.get``, or ``Context.read``."""

REPEATED = ("retry", "throttled", "unknown")
"""Outcomes after which a job is attempted again."""


@attrs.frozen(kw_only=True)
class Range:
    """A time to look back at.

    Attributes:
        title: On the page.
        length: From then until now.
        step: Of one point of a chart.
    """

    title: str
    length: timedelta
    step: timedelta


RANGES = {
    "hour": Range(title="Last hour", length=timedelta(hours=1), step=timedelta(minutes=1)),
    "day": Range(title="Last day", length=timedelta(days=1), step=timedelta(minutes=15)),
}
"""By the name in the URL."""


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
        lines = (
            ("Succeeded", "success", self.succeeded),
            ("Retried", "warning", self.repeated),
            ("Failed for good", "failed", self.failed),
        )
        names = ("label", "tone", "values")
        return {"times": self.times, "lines": [dict(zip(names, line, strict=True)) for line in lines]}

    @property
    def summary(self) -> str:
        """Say what the chart shows, for those who don't see it."""
        peak = max(self.succeeded, default=0.0)
        return (
            f"{self.attempts:,} attempts: {self.failures:,} failed for good, {self.retries:,} retried; "
            f"at most {peak:,.1f} succeeded a minute"
        )


async def attempts(outbox: Outbox, read: Read, within: Range, now: datetime) -> list[Rates]:
    """Return each backend's attempts in each step, the last one being of the minute that goes on."""
    minute = step_of(now - WRITTEN, MINUTE)
    ask = partial(outbox.rates, since=minute - within.length, until=minute, step=within.step)
    past: list[Rates] = await read(("rates", within.title, minute), ask, fresh=MINUTE)
    return [*past, *await this_minute(outbox, read, now)]


async def this_minute(outbox: Outbox, read: Read, now: datetime) -> list[Rates]:
    """Return each backend's attempts in the minute that goes on, as far as they are written."""
    minute, until = step_of(now - WRITTEN, MINUTE), step_of(now - WRITTEN, STEP)
    if minute == until:
        return []
    ask = partial(outbox.rates, since=minute, until=until)
    found: list[Rates] = await read(("minute", until), ask, fresh=MINUTE)
    return found


async def stats(outbox: Outbox, read: Read) -> Mapping[str, BackendStats]:
    """Return each queue in numbers that were true lately; what takes long is counted less often."""
    numbers: Mapping[str, BackendStats] = await read("stats", outbox.stats, fresh=FRESH_SECONDS)
    return numbers


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
