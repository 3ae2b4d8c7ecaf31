"""``sp00ky schedules``: what is made into jobs by the clock, what came of it, and an operator's hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from sp00ky_core.cli.command import as_json, command, option, with_settings
from sp00ky_core.cli.logs import one_line, say
from sp00ky_core.cli.options import act_options, limit_option
from sp00ky_core.cli.output import moment, show, show_list
from sp00ky_core.job.job import value_to_json
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.queries import json_of
from sp00ky_schedules.api import ScheduleRecord, Schedules
from sp00ky_schedules.findings import definition_findings
from sp00ky_schedules.model.config import SchedulesConfig
from sp00ky_schedules.model.records import RunStatus, ScheduleRun

COLUMNS = (
    *("name", "fires", "backend", "route", "state"),
    *("next (UTC)", "late by", "last (UTC)", "last run", "quarantined", "problem"),
)
RUN_COLUMNS = ("schedule", "fired (UTC)", "key", "trigger", "status", "job", "ended (UTC)", "error")

MOST_KEYS = 5
"""Of those in quarantine that a line names; ``get`` names all."""

NAME = click.argument("name")


@click.group()
@with_settings
def schedules() -> None:
    """Look at schedules and their runs; pause and fire them."""


@command(
    schedules, name="list", doing="reading the schedules", short_help="List the schedules and their clocks."
)
@as_json
async def list_schedules(outbox: Outbox) -> None:
    """List the schedules: when they fire, which is late, how the last run ended, who is quarantined."""
    rows = await outbox.extension(Schedules).list()
    show_list("schedules", rows, schedule_to_json, COLUMNS, _row)


@command(schedules, name="get", short_help="Show one schedule.")
@NAME
@as_json
async def get(outbox: Outbox, *, name: str) -> None:
    """Show the schedule NAME: its definition, its clock, how its last run ended. Exit 1: there is none."""
    document = schedule_to_json(await outbox.extension(Schedules).get(name))
    show(document, _fact_lines(document))


def _fact_lines(document: Mapping[str, Any]) -> Iterator[str]:
    for key, value in document.items():
        if value not in (None, [], {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield one_line(f"{key}: {text}")


@command(schedules, name="runs", doing="reading the runs", short_help="List what schedules have made.")
@click.argument("name", required=False)
@option("--status", "As it is written down.", type=click.Choice([status.value for status in RunStatus]))
@option("--key", "The row's, of forEach.")
@limit_option(50, "Runs to list.")
@as_json
async def runs(outbox: Outbox, *, name: str | None, **options: Any) -> None:
    """List the runs of the schedule NAME, or of all: the latest first, each with its job and its end."""
    rows = await outbox.extension(Schedules).runs(name, **options)
    show_list("runs", rows, json_of, RUN_COLUMNS, _run_row)


@command(schedules, name="pause", short_help="Keep a schedule from firing.")
@NAME
@act_options
async def pause(outbox: Outbox, *, name: str, **act: Any) -> None:
    """Keep the schedule NAME from firing, by hand too, until it is resumed; deploys keep the pause."""
    began = await outbox.extension(Schedules).pause(name, **act)
    click.echo(f"{name} is paused until it is resumed" + ("" if began else "; it was before"))


@command(schedules, name="resume", short_help="End a pause.")
@NAME
@act_options
async def resume(outbox: Outbox, *, name: str, **act: Any) -> None:
    """End the pause of the schedule NAME; what it missed meanwhile is left out."""
    ended = await outbox.extension(Schedules).resume(name, **act)
    click.echo(f"{name} is resumed" + ("" if ended else "; nothing had paused it"))


@command(schedules, name="remove", short_help="Remove a schedule.")
@NAME
@act_options
async def remove(outbox: Outbox, *, name: str, **act: Any) -> None:
    """Remove the schedule NAME; jobs that it has made are delivered.

    One that the file has comes back with the next sync.
    """
    await outbox.extension(Schedules).remove(name, **act)
    click.echo(f"{name} is removed")


@command(schedules, name="release", short_help="End the quarantine of keys.")
@NAME
@click.argument("keys", nargs=-1)
@act_options
async def release(outbox: Outbox, *, name: str, keys: Sequence[str], **act: Any) -> None:
    """End the quarantine of KEYS of the schedule NAME; without KEYS, of all."""
    ended = await outbox.extension(Schedules).release(name, *keys, **act)
    click.echo(f"{name}: " + ("released" if ended else "no such key had failed"))


@command(schedules, name="trigger", doing="firing", short_help="Fire a schedule now.")
@NAME
@act_options
@as_json
async def trigger(outbox: Outbox, *, name: str, **act: Any) -> int:
    """Fire the schedule NAME now; its clock goes on as it would have.

    Exit 1 if a run of it failed at once, or rows of its query made no job.
    """
    rows = await outbox.extension(Schedules).trigger(name, **act)
    problem = (await outbox.extension(Schedules).get(name)).stored.last_error
    show_list("runs", rows, json_of, RUN_COLUMNS, _run_row)
    if problem is not None:
        say(f"schedule {name}: {problem}")
    return int(problem is not None or any(run.status is RunStatus.FAILED for run in rows))


@command(schedules, name="sync", short_help="Make the schedules what the file says.")
@act_options
@as_json
async def sync(outbox: Outbox, **act: Any) -> None:
    """Make the schedules what the file says; `sp00ky migrate` does so too."""
    say_unusable(outbox)
    result = await outbox.extension(Schedules).sync(**act)
    document = {"defined": [*result.defined], "removed": [*result.removed]}
    show(document, result.lines or ["nothing to do"])


def say_unusable(outbox: Outbox) -> None:
    """Say on stderr which of the file's schedules are left as they are, or can't make a job, and why."""
    config: SchedulesConfig = outbox.config.extensions["schedules"]
    for name, reason in config.left_out.items():
        say(f"schedule {name}: left out: {reason}")
    for finding in definition_findings(config, outbox.backends):
        if finding.stops_jobs:
            say(f"{finding.subject}: {finding.problem} ({finding.consequence})")


DEFINITION_KEYS = ("cron", "every", "timezone", "backend", "route", "enabled")


def schedule_to_json(schedule: ScheduleRecord) -> dict[str, Any]:
    """Turn a schedule into JSON values: its definition, its clock, and how its last run ended."""
    stored, definition, last = schedule.stored, schedule.definition, schedule.last_run
    return {
        "name": stored.name,
        "definition": dict(stored.definition),
        **{key: None if definition is None else getattr(definition, key) for key in DEFINITION_KEYS},
        "next_fire_at": value_to_json(stored.next_fire_at),
        "late_by_s": schedule.late_by and schedule.late_by.total_seconds(),
        "last_fired_at": value_to_json(stored.last_fired_at),
        "paused": stored.paused,
        "origin": stored.origin,
        "last_status": None if last is None else last.status.value,
        "last_error": stored.last_error,
        "quarantined": list(schedule.quarantined),
    }


def _row(record: ScheduleRecord) -> tuple[object, ...]:
    stored, definition, last = record.stored, record.definition, record.last_run
    if definition is None:
        return (stored.name, *[""] * 3, "unreadable", *[""] * 6)
    fires = definition.cron or f"every {_short(definition.every or 0.0)}"
    zone = "" if definition.timezone == "UTC" else f" {definition.timezone}"
    state = "paused" if stored.paused else "on" if definition.enabled else "off"
    at = stored.next_fire_at  # which may be years ahead
    late = record.late_by and _short(round(record.late_by.total_seconds()))
    instants = (at and at.strftime("%Y-%m-%d %H:%M:%S"), late, moment(stored.last_fired_at))
    status = "" if last is None else last.status.value
    cells = (f"{fires}{zone}", definition.backend, definition.route, state)
    keys = record.quarantined
    more = f" and {len(keys) - MOST_KEYS:,} more" if len(keys) > MOST_KEYS else ""
    shown = ", ".join(keys[:MOST_KEYS]) + more
    return (stored.name, *cells, *instants, status, shown, stored.last_error)


def _short(seconds: float) -> str:
    """Write a duration as sp00ky.yml may have it: ``1h30m``."""
    parts, rest = "", seconds
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        count, rest = divmod(rest, length)
        parts += f"{count:g}{unit}" if count else ""
    return parts + (f"{rest:g}s" if rest or not parts else "")


def _run_row(run: ScheduleRun) -> tuple[object, ...]:
    keys = ("code", "reason", "blocked_by", "failures")
    error = ": ".join(str((run.error or {})[key]) for key in keys if (run.error or {}).get(key) is not None)
    made = (run.trigger.value, run.status.value, run.job_id, moment(run.finished_at))
    return (run.schedule, moment(run.fired_at), run.key, *made, error)
