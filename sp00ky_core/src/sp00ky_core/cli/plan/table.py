"""Lay out a forecast: a table with bars, and when the jobs arrive, in 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import click

from sp00ky_core.config import BackendConfig
from sp00ky_core.planner import Forecast, Outage

COLUMNS = ("backend", "breaker", "delivered", "failed", "", "requests", "half", "95 %", "last")
WIDTHS = (8, 7, 9, 7, 10, 8, 5, 5, 5)
NAMES = 2
"""Columns of text; numbers stand to the right."""

WORDS = {
    "refused": "refuses",
    "timeout": "hangs",
    "503": "says 503",
    "500": "says 500",
    "429": "says 429",
}
BREAKER: Mapping[bool | None, str] = {True: "on", False: "off", None: "either"}

BAR_COLUMN = COLUMNS.index("")

BAR, TIMELINE = 10, 50
"""Characters."""

LEVELS = " ▁▂▃▄▅▆▇█"

UNITS = ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "m"), (10, 1, "s"))
"""From so many seconds on, how many make one of what a duration is shown in."""


def forecast_lines(backend: BackendConfig, outage: Outage, found: Sequence[Forecast]) -> Iterator[str]:
    """Yield the lines of a forecast."""
    yield from _headline(backend, outage)
    yield ""
    yield click.style(_padded(COLUMNS), bold=True)
    for each in found:
        yield _row(each)
    longest = max((each.arrived(1.0) or 0.0 for each in found), default=0.0)
    yield ""
    yield click.style(f"deliveries in the {brief(longest)} after the outage", bold=True)
    for each in found:
        yield f"{_subject(each)}  {_timeline(each, longest)}".rstrip()


def _headline(backend: BackendConfig, outage: Outage) -> Iterator[str]:
    retry = backend.retry
    yield f"{outage.jobs:,} jobs, enqueued evenly while their backend is down for {brief(outage.seconds)}."
    shape = f", times {retry.factor:g}" if retry.strategy == "exponential" else ""
    delays = f"first after {brief(retry.base)}{shape}, at most {brief(retry.cap)}"
    yield f"Retries: {retry.max_retries}, {retry.strategy}, {delays}."
    yield f"Requests: {backend.concurrency} at a time, {brief(outage.latency)} each."


def _row(forecast: Forecast) -> str:
    counts = (f"{forecast.delivered:,}", f"{forecast.failed:,}")
    after = (brief(forecast.arrived(share)) for share in (0.5, 0.95, 1.0))
    cells = (
        WORDS[forecast.failure],
        BREAKER[forecast.breaker],
        *counts,
        "",
        f"{forecast.requests:,}",
        *after,
    )
    text = _padded(cells)
    start = sum(WIDTHS[:BAR_COLUMN]) + 2 * BAR_COLUMN  # two spaces after each
    return text[:start] + _bar(forecast) + text[start + BAR :]


def _subject(forecast: Forecast) -> str:
    return f"{WORDS[forecast.failure]:{WIDTHS[0]}}  {BREAKER[forecast.breaker]:{WIDTHS[1]}}"


def _padded(cells: Sequence[str]) -> str:
    names, numbers = zip(cells[:NAMES], WIDTHS, strict=False), zip(cells[NAMES:], WIDTHS[NAMES:], strict=True)
    aligned = [cell.ljust(width) for cell, width in names]
    aligned += [cell.rjust(width) for cell, width in numbers]
    return "  ".join(aligned).rstrip()


def _bar(forecast: Forecast) -> str:
    """Return the share that is delivered, and the one that fails; what there is of either is seen."""
    total = forecast.delivered + forecast.failed
    filled = round(BAR * forecast.delivered / total)
    filled = min(max(filled, forecast.delivered > 0), BAR - (forecast.failed > 0))
    return click.style("█" * filled, fg="green") + click.style("░" * (BAR - filled), fg="red")


def _timeline(forecast: Forecast, longest: float) -> str:
    """Return how many jobs arrive in each part of the time, from none to the most of its own."""
    parts = Counter(min(int(TIMELINE * each / longest), TIMELINE - 1) for each in forecast.arrivals)
    most = max(parts.values(), default=1)
    steps = (-(-parts[n] * (len(LEVELS) - 1) // most) for n in range(TIMELINE))  # rounded up
    return "".join(LEVELS[step] for step in steps)


def brief(seconds: float | None) -> str:
    """Format a duration in at most five characters; nothing for None."""
    if seconds is None:
        return "-"
    for from_, one, unit in UNITS:
        if seconds >= from_:
            return f"{seconds / one:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds >= 1 else f"{1000 * seconds:.0f}ms"
