"""``sp00ky jobs stats | errors``: queues, attempts and failures in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

import click

from sp00ky_core.cli.options import INSTANT, Settings, as_json, command, flag, limit_option, option
from sp00ky_core.cli.output import moment, show_json, show_list, show_rows
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.observe.rates import Rates
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.report_json import json_of, rates_to_json
from sp00ky_core.ports import OUTCOMES, BackendStats, ErrorGroup, Pause

STATS_COLUMNS = (
    *("backend", "pending", "due", "processing", "success", "failed"),
    *("stalled", "deferred", "oldest due", "breaker", "paused"),
)

RATES_COLUMNS = (
    *("backend", "attempts", "per second", *OUTCOMES),
    *("p50", "p95", "p99", "not delivered, by code"),
)


@command(name="stats", short_help="Show each backend's queue in numbers.")
@option("--since", "And the attempts that ended then or later: 24h (ago), 30d at most.", type=INSTANT)
@flag("--watch", "Keep showing it, with rates, until interrupted.", name="is_live")
@as_json
def stats(settings: Settings, *, since: datetime | None, is_live: bool) -> None:
    """Show each backend's queue in numbers; with --since its attempts: rates, failures by code, durations.

    Those are kept for 30 days, however long jobs are, and known a minute after they end.

    With --watch a screen on a terminal, which also says what fails; elsewhere a line a second and backend.
    """
    if is_live and since is not None:
        raise click.UsageError("--watch shows what happens from now on: leave out --since")
    if is_live:
        from sp00ky_core.cli.jobs.screens import watch_queues  # noqa: PLC0415  # other commands start without

        settings.ask(lambda outbox: watch_queues(outbox, json_wanted=settings.json))
        return
    numbers, rates = settings.ask(partial(_stats, since=since), "counting the jobs")
    if settings.json:
        documents = {name: json_of(stats) for name, stats in numbers.items()}
        for row in rates:
            # Rollups may also be of a backend that is gone, or another service's.
            documents.setdefault(row.backend, {})["rates"] = rates_to_json(row)
        show_json({"backends": documents})
        return
    show_rows(STATS_COLUMNS, [stats_row(name, stats) for name, stats in numbers.items()])
    if since is not None:
        click.echo()
        show_rows(RATES_COLUMNS, [rates_row(row) for row in rates])


async def _stats(outbox: Outbox, since: datetime | None) -> tuple[Mapping[str, BackendStats], list[Rates]]:
    rates = [] if since is None else await outbox.rates(since=since)
    return await outbox.stats(), rates


ERROR_COLUMNS = ("jobs", "backend", "path", "error", "code", "first (UTC)", "last (UTC)", "example")


@command(name="errors", short_help="Group what goes wrong by its error.")
@option("--since", "Changed then or later: 1h (ago), 3d, an RFC 3339 instant.", type=INSTANT)
@limit_option(100, "Groups.")
@as_json
def errors(settings: Settings, *, since: datetime | None, limit: int) -> None:
    """Group the jobs that are failed, or wait for a retry, by their last error; the largest first."""
    groups = settings.ask(lambda outbox: outbox.errors(since=since, limit=limit), "grouping the errors")
    show_list("errors", groups, json_of, ERROR_COLUMNS, _error_row, json_wanted=settings.json)


def _error_row(group: ErrorGroup) -> tuple[object, ...]:
    code = (group.code if group.scheme == HTTP else group) if group.code else ""
    what = (group.count, group.backend, group.path, group.name, code)
    return (*what, moment(group.first), moment(group.last), group.example)


def stats_row(backend: str, stats: BackendStats) -> tuple[object, ...]:
    """Format a backend under ``STATS_COLUMNS``."""
    oldest = "" if stats.oldest_due_s is None else f"{stats.oldest_due_s:.1f} s"
    wait = stats.breaker.paused_for_s
    breaker = f"{stats.breaker.state}, paused for {wait:.1f} s" if wait else stats.breaker.state
    ended = (stats.success, stats.failed)
    counts = (stats.pending, stats.due, stats.processing, *ended, stats.stalled, stats.deferred)
    return (backend, *counts, oldest, breaker, pause_text(stats.paused))


def rates_row(rates: Rates) -> tuple[object, ...]:
    """Format a backend's attempts under ``RATES_COLUMNS``."""
    counts = (rates.outcomes[outcome] for outcome in OUTCOMES)
    durations = (_seconds(seconds) for seconds in (rates.p50_s, rates.p95_s, rates.p99_s))
    codes = ", ".join(f"{code or 'no answer'}: {count}" for code, count in rates.codes.items())
    return (rates.backend, rates.attempts, f"{rates.per_second:.2f}", *counts, *durations, codes)


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def pause_text(pause: Pause | None) -> str:
    """Format an operator's pause: until when, by whom, and why."""
    if pause is None:
        return ""
    text = "until it is resumed" if pause.until is None else f"until {moment(pause.until)}"
    text += f", by {pause.actor}" if pause.actor else ""
    return f"{text}: {pause.reason}" if pause.reason else text
