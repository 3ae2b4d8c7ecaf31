"""``sp00ky backends list | pause | resume``: which backends are delivered to, and whether."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Unpack

import attrs
import click

from sp00ky_core.backend.backend import store_tables
from sp00ky_core.cli.jobs.stats import STATS_COLUMNS, stats_row
from sp00ky_core.cli.options import (
    DURATION,
    Settings,
    act_options,
    as_json,
    backend_names,
    command,
    option,
    with_settings,
)
from sp00ky_core.cli.output import show_list
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.report_json import json_of
from sp00ky_core.ports import ActOptions, BackendStats, JobTable

Listed = tuple[str, BackendStats, JobTable]


@click.group()
@with_settings
def backends() -> None:
    """Look at backends, and pause deliveries to one."""


@command(backends, name="list", short_help="List the backends and their queues.")
@as_json
def list_backends(settings: Settings) -> None:
    """List the backends: whether they are paused, their breakers, limits and queues."""
    rows = settings.ask(_backends, "counting the jobs")
    show_list("backends", rows, _to_json, (*STATS_COLUMNS, "limits"), _to_row, json_wanted=settings.json)


async def _backends(outbox: Outbox) -> list[Listed]:
    stats, tables = await outbox.stats(), {table.backend: table for table in store_tables(outbox.backends)}
    return [(name, stats[name], tables[backend.table.backend]) for name, backend in outbox.backends.items()]


def _to_row(listed: Listed) -> tuple[object, ...]:
    name, stats, table = listed
    return (*stats_row(name, stats), _limits_text(table))


def _to_json(listed: Listed) -> dict[str, Any]:
    name, stats, table = listed
    rate = None if table.rate is None else attrs.asdict(table.rate)
    return {"name": name, "limits": {"rate": rate, "max_in_flight": table.max_in_flight}, **json_of(stats)}


def _limits_text(table: JobTable) -> str:
    rate, most = table.rate, table.max_in_flight
    texts = [] if rate is None else [f"{rate.limit} per {rate.per:g} s, {rate.burst} at once"]
    texts += [] if most is None else [f"{most} in flight"]
    return ", ".join(texts)


@command(backends, name="pause", short_help="Stop deliveries to a backend, in the whole fleet.")
@click.argument("name", shell_complete=backend_names)
@option("--for", "So long: 10m, 2h; by default until it is resumed.", name="duration", type=DURATION)
@act_options
def pause(settings: Settings, *, name: str, duration: timedelta | None, **act: Any) -> None:
    """Stop deliveries to the backend NAME, in the whole fleet: nothing more of its jobs is claimed.

    What is in flight ends, jobs can be enqueued, and wait. Backends that share a table are paused together.
    """
    settings.ask(lambda outbox: _pause(outbox, name, duration, **act))


async def _pause(outbox: Outbox, name: str, duration: timedelta | None, **act: Unpack[ActOptions]) -> None:
    began = await outbox.pause(name, duration=duration, **act)
    until = "until it is resumed" if duration is None else f"for {duration.total_seconds():g} s"
    was = "" if began else "; it was paused before, and that pause is replaced"
    click.echo(f"{_together(outbox, name)} paused {until}{was}")


@command(backends, name="resume", short_help="End a pause.")
@click.argument("name", shell_complete=backend_names)
@act_options
def resume(settings: Settings, *, name: str, **act: Any) -> None:
    """End the pause of the backend NAME: its jobs are claimed again at once."""
    settings.ask(lambda outbox: _resume(outbox, name, **act))


async def _resume(outbox: Outbox, name: str, **act: Unpack[ActOptions]) -> None:
    ended = await outbox.resume(name, **act)
    was = "" if ended else "; nothing had paused it"
    click.echo(f"{_together(outbox, name)} resumed{was}")


def _together(outbox: Outbox, name: str) -> str:
    """Name the backends of a table, the one that is meant first, and the verb that goes with them."""
    tables = {other: backend.table.table for other, backend in outbox.backends.items()}
    others = [other for other, table in tables.items() if other != name and table == tables[name]]
    names = " and ".join([name, *others])
    return f"{names}, which share a table, are" if others else f"{name} is"
