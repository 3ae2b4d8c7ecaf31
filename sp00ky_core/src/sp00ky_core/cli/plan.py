"""``sp00ky plan``: which jobs a backend's outage costs, by its retries and its breaker."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import click

from sp00ky_core.backend import load_backends
from sp00ky_core.cli.options import (
    DURATION,
    Seconds,
    Settings,
    as_json,
    backend_names,
    command,
    option,
    with_options,
)
from sp00ky_core.cli.output import show_json
from sp00ky_core.config import BackendConfig
from sp00ky_core.planner import LONGEST_OUTAGE, MOST_ATTEMPTS, Forecast, Outage, Rules, forecasts
from sp00ky_core.plugins.registry import Plugins, load_plugins
from sp00ky_core.retry import MAX_RETRIES

DAY = 86_400

_retry_options = with_options(
    option("--strategy", "linear, exponential, or a plugin's.", metavar="NAME"),
    option("--max-retries", "Attempts after the first.", type=click.IntRange(0, MAX_RETRIES), metavar="N"),
    option("--base", "The first delay.", type=Seconds(0, DAY), metavar="SECONDS"),
    option("--factor", "Of exponential: each delay times that.", type=Seconds(1, 1_000), metavar="N"),
    option("--cap", "The longest delay.", type=Seconds(0, DAY), metavar="SECONDS"),
)


@command(short_help="Forecast which jobs an outage of a backend costs.")
@option(
    "--backend", "Take what isn't given here from sp00ky.yml.", metavar="NAME", shell_complete=backend_names
)
@_retry_options
@option("--outage", "How long it lasts.", type=DURATION, default="30m")
@option("--jobs", "Enqueued meanwhile.", type=click.IntRange(1, 100_000), default=10_000)
@option("--concurrency", "Requests at a time.", type=click.IntRange(1, 10_000), metavar="N")
@option("--latency", "Seconds that a request takes.", type=Seconds(0.001, DAY), default=0.1)
@as_json
def plan(
    settings: Settings, *, backend: str | None, outage: timedelta, jobs: int, latency: float, **given: Any
) -> None:
    """Forecast what becomes of jobs that are enqueued while their backend is down.

    For a backend that refuses connections, hangs, or answers 503, 500 or 429: how many jobs are delivered
    in the end, how many fail, how many requests it gets meanwhile, and how long after its end half of the
    delivered jobs, 95 % of them and the last one arrive. Each attempt is decided by the rules that a runner
    goes by, on a virtual clock: nothing is sent, and no store is asked.
    """
    plugins = load_plugins()
    rules = _rules(_config(settings, backend, plugins), given, plugins)
    meant = Outage(seconds=outage.total_seconds(), jobs=jobs, latency=latency)
    _refuse_too_much(meant, rules)
    rows = list(forecasts(rules, meant))
    if settings.json:
        show_json({"plan": _plan_json(rules, meant), "forecasts": [forecast.to_json() for forecast in rows]})
        return
    for line in forecast_lines(rules.backend, meant, rows):
        click.echo(line)


def _config(settings: Settings, name: str | None, plugins: Plugins) -> BackendConfig:
    """Return the backend that is named, or one with the defaults."""
    if name is None:
        return BackendConfig(name="backend", spec=Path(), base_url="http://unset.invalid")
    return load_backends(settings.configuration(), frozenset(plugins.strategies)).named(name).config


def _rules(config: BackendConfig, given: Mapping[str, Any], plugins: Plugins) -> Rules:
    options = {name: value for name, value in given.items() if value is not None}
    concurrency = options.pop("concurrency", config.concurrency)
    config = attrs.evolve(config, retry=attrs.evolve(config.retry, **options), concurrency=concurrency)
    return Rules(backend=config, hooks=plugins.hooks(), strategies=plugins.strategies)


def _refuse_too_much(outage: Outage, rules: Rules) -> None:
    if not 1 <= outage.seconds <= LONGEST_OUTAGE:
        raise click.BadParameter("an outage lasts from 1s to 30d", param_hint="'--outage'")
    if outage.jobs * (1 + rules.backend.retry.max_retries) > MOST_ATTEMPTS:
        most = f"at most {MOST_ATTEMPTS:,} attempts are simulated, jobs x (1 + retries): give fewer --jobs"
        raise click.BadParameter(most, param_hint="'--jobs'")


def _plan_json(rules: Rules, outage: Outage) -> dict[str, Any]:
    retry = attrs.asdict(rules.backend.retry)
    if math.isinf(retry["give_up_after"]):
        retry["give_up_after"] = None  # JSON knows no infinity
    facts = {"outage_s": outage.seconds, "jobs": outage.jobs, "latency_s": outage.latency}
    return {**facts, "concurrency": rules.backend.concurrency, "retry": retry}


COLUMNS = ("backend", "breaker", "delivered", "failed", "", "requests", "half", "95 %", "last")
WIDTHS = (8, 7, 9, 7, 10, 8, 5, 5, 5)
NAMES = 2
"""Columns of text; numbers stand to the right."""

WORDS = {"refused": "refuses", "timeout": "hangs", "503": "says 503", "500": "says 500", "429": "says 429"}
BREAKER: Mapping[bool | None, str] = {True: "on", False: "off", None: "either"}

BAR_COLUMN = COLUMNS.index("")

BAR, TIMELINE = 10, 50
"""Characters."""

LEVELS = " ▁▂▃▄▅▆▇█"

UNITS = ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "m"), (10, 1, "s"))
"""From so many seconds on, how many make one of what a duration is shown in."""


def forecast_lines(backend: BackendConfig, outage: Outage, rows: Sequence[Forecast]) -> Iterator[str]:
    """Yield the lines of a forecast."""
    yield from _headline(backend, outage)
    yield ""
    yield click.style(_padded(COLUMNS), bold=True)
    for forecast in rows:
        yield _row(forecast)
    longest = max((forecast.arrived(1.0) or 0.0 for forecast in rows), default=0.0)
    yield ""
    yield click.style(f"deliveries in the {brief(longest)} after the outage", bold=True)
    for forecast in rows:
        yield f"{_subject(forecast)}  {_timeline(forecast, longest)}".rstrip()


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
    parts = Counter(min(int(TIMELINE * arrival / longest), TIMELINE - 1) for arrival in forecast.arrivals)
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
