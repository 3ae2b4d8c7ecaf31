"""``sp00ky backends | runners | audit | health``: who is delivered to and by whom, and what operators did."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import attrs
import click

from sp00ky_core.backend.backend import Backend, store_tables
from sp00ky_core.backend.settings import (
    read_settings,
    settings_texts,
    settings_to_json,
    value_of,
    value_text,
    values_of,
)
from sp00ky_core.cli.command import FAILED, Settings, as_json, command, flag, option, with_settings
from sp00ky_core.cli.jobs import STATS_COLUMNS, stats_row
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.options import DURATION, PAST, act_options, backend_names, page_options
from sp00ky_core.cli.output import aligned, moment, show, show_list, show_page, slow
from sp00ky_core.config.keys import camel
from sp00ky_core.encoding.escaping import plain
from sp00ky_core.error_texts import shown
from sp00ky_core.job.job import instant_to_json
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.queries import audit_to_json, json_of, runner_to_json
from sp00ky_core.ports import AuditEntry, JobTable, RunnerRecord, SettingsRecord
from sp00ky_health import DEFAULT, ask

BACKEND_COLUMNS = (*STATS_COLUMNS, "limits", "set", "stuck runners")


@click.group()
@with_settings
def backends() -> None:
    """Look at backends, pause deliveries to one, and change one while runners run."""


@command(backends, name="list", doing="counting the jobs", short_help="List the backends and their queues.")
@as_json
async def list_backends(outbox: Outbox) -> None:
    """List the backends: whether they are paused, their breakers, limits and queues, and what is set."""
    all_stats, records = await outbox.stats(), await outbox.settings()
    tables = {table.backend: table for table in store_tables(outbox.backends)}
    stuck = {runner.id: runner.info.stuck for runner in await outbox.runners() if runner.info.stuck}
    documents, rows = [], []
    for name, backend in outbox.backends.items():
        stats, table, record = all_stats[name], tables[backend.table.backend], records.get(name)
        limits, is_set = _limits_json(table), _settings_json(backend, record)
        theirs = [runner_id for runner_id, names in stuck.items() if name in names]
        document = {"name": name, "limits": limits, "settings": is_set, **json_of(stats)}
        documents.append({**document, "stuck_runners": theirs})
        set_text = _settings_text(backend, record)
        rows.append((*stats_row(name, stats), _limits_text(table), set_text, ", ".join(theirs)))
    show({"backends": documents}, aligned(BACKEND_COLUMNS, rows))


def _limits_json(table: JobTable) -> dict[str, Any]:
    rate = None if table.rate is None else attrs.asdict(table.rate)
    return {"rate": rate, "max_in_flight": table.max_in_flight}


def _settings_json(backend: Backend, record: SettingsRecord | None) -> dict[str, Any] | None:
    """Return what is set beside the file's values of the same keys; None: nothing is."""
    if record is None:
        return None
    settings, ignored = read_settings(backend, record)
    values = values_of(settings)
    return {
        "values": settings_to_json(values),
        "file": settings_to_json({name: getattr(backend.config, name) for name in values}),
        "ignored": dict(ignored),
        "until": None if record.until is None else instant_to_json(record.until),
        "actor": record.actor,
    }


def _settings_text(backend: Backend, record: SettingsRecord | None) -> str:
    if record is None:
        return ""
    until = "until it is reset" if record.until is None else f"until {moment(record.until)} UTC"
    return f"{', '.join(settings_texts(backend, record))}, {until}"


def _limits_text(table: JobTable) -> str:
    rate, most = table.rate, table.max_in_flight
    texts = [] if rate is None else [value_text(rate)]
    texts += [] if most is None else [f"{most} in flight"]
    return ", ".join(texts)


@command(backends, name="pause", short_help="Stop deliveries to a backend, in the whole fleet.")
@click.argument("name", shell_complete=backend_names)
@option("--for", "So long: 10m, 2h; by default until it is resumed.", name="duration", type=DURATION)
@act_options
async def pause(outbox: Outbox, *, name: str, duration: timedelta | None, **act: Any) -> None:
    """Stop deliveries to the backend NAME, in the whole fleet: nothing more of its jobs is claimed.

    What is in flight ends, jobs can be enqueued, and wait. Backends that share a table are paused together.
    """
    began = await outbox.pause(name, duration=duration, **act)
    until = "until it is resumed" if duration is None else f"for {duration.total_seconds():g} s"
    was = "" if began else "; it was paused before, and that pause is replaced"
    click.echo(f"{_together(outbox, name)} paused {until}{was}")


@command(backends, name="resume", short_help="End a pause.")
@click.argument("name", shell_complete=backend_names)
@act_options
async def resume(outbox: Outbox, *, name: str, **act: Any) -> None:
    """End the pause of the backend NAME: its jobs are claimed again at once."""
    ended = await outbox.resume(name, **act)
    was = "" if ended else "; nothing had paused it"
    click.echo(f"{_together(outbox, name)} resumed{was}")


@command(backends, name="set", short_help="Change a backend while runners run.")
@click.argument("name", shell_complete=backend_names)
@click.argument("values", metavar="KEY=VALUE...", nargs=-1)
@option("--for", "So long: 10m, 2h; by default until it is reset.", name="duration", type=DURATION)
@flag("--reset", "Let the file's values hold again.")
@act_options
def set_backend(
    settings: Settings,
    *,
    name: str,
    values: tuple[str, ...],
    duration: timedelta | None,
    reset: bool,
    **act: Any,
) -> None:
    """Change the backend NAME in the whole fleet: every runner follows within 5 s, without a restart.

    KEY is `rate` (20/s), `max-in-flight`, `concurrency` (of each process), `timeout` (30s), or `base-url`,
    one of the file's `baseUrls`. What is set already stays set beside it; `--for` ends all of it.
    """
    if reset is bool(values) or (reset and duration is not None):
        raise click.UsageError("say what to set, as in concurrency=10, or --reset alone")
    wanted: dict[str, Any] = {}
    for written in values:
        key, value = _setting_of(written)
        if key in wanted:
            raise click.UsageError(f"{shown(written)} sets a key again: say once what {key} is to be")
        wanted[key] = value

    async def set_or_reset(outbox: Outbox) -> None:
        if reset:
            was = "" if await outbox.reset_backend(name, **act) else "; nothing was set"
            click.echo(f"{name} is as the file says{was}")
            return
        await outbox.set_backend(name, wanted, duration=duration, **act)
        record = (await outbox.settings()).get(name)
        is_set = _settings_text(outbox.backends.named(name), record) or "its time is over"
        click.echo(f"{name}: {plain(is_set)}; runners follow within 5 s")

    settings.ask(set_or_reset)


def _setting_of(written: str) -> tuple[str, Any]:
    """Read KEY=VALUE: the file's key, and the value as YAML has it."""
    key, equals, value = written.partition("=")
    if not equals or not value.strip():
        raise click.UsageError(f"expected KEY=VALUE, such as concurrency=10, not {shown(written)}")
    return camel(key.replace("-", "_")), value_of(value)


def _together(outbox: Outbox, name: str) -> str:
    """Name the backends of a table, the one that is meant first, and the verb that goes with them."""
    tables = {other: backend.table.table for other, backend in outbox.backends.items()}
    others = [other for other, table in tables.items() if other != name and table == tables[name]]
    names = " and ".join([name, *others])
    return f"{names}, which share a table, are" if others else f"{name} is"


RUNNER_COLUMNS = ("id", "host", "pid", "version", "state", "started (UTC)", "last beat", "in flight")


@click.group()
@with_settings
def runners() -> None:
    """Look at the runners of the whole fleet, and ask one to drain."""


@command(runners, name="list", short_help="List the runners and their states.")
@as_json
async def list_runners(outbox: Outbox) -> None:
    """List the runners, the youngest first: running, draining, or dead (silent for more than 6 s).

    One that has stopped cleanly is not among them.
    """
    rows = await outbox.runners()
    show_list("runners", rows, runner_to_json, RUNNER_COLUMNS, _runner_row)


def _runner_row(runner: RunnerRecord) -> tuple[object, ...]:
    info = runner.info
    busy = ", ".join(
        f"{backend} {info.in_flight.get(backend, 0)}/{slots}" for backend, slots in info.slots.items()
    )
    seen = (moment(runner.started_at), f"{runner.silent_for:.0f} s ago")
    return (runner.id, runner.host, runner.pid, info.version, runner.state.value, *seen, busy)


@command(runners, name="drain", short_help="Ask a runner to end.")
@click.argument("runner_id", metavar="ID")
@act_options
async def drain(outbox: Outbox, *, runner_id: str, **act: Any) -> None:
    """Ask the runner ID to drain: it claims nothing more, ends what it holds, and exits 0.

    It does so within 3 s. Exit 1 if there is no such runner, or it is dead.
    """
    await outbox.drain_runner(runner_id, **act)
    click.echo(f"{runner_id} was asked to drain: it claims nothing more, and exits when it holds nothing")


@command(name="health", short_help="Ask a runner whether it is ready.")
@click.argument("address", metavar="[HOST:PORT]", envvar="SP00KY_LISTEN", default=DEFAULT)
def health(_settings: Settings, *, address: str) -> int:
    """Ask the `/readyz` of `sp00ky run --listen` on this host: 0 it is ready, 1 it isn't.

    HOST:PORT is by default SP00KY_LISTEN, or 127.0.0.1:9464. It takes no configuration.
    """
    try:
        problem = ask(address)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if problem is not None:
        say(problem)
        return FAILED
    click.echo("ready")
    return 0


AUDIT_COLUMNS = ("at (UTC)", "actor", "via", "host", "action", "jobs", "ended (UTC)", "reason", "selection")

LONGEST_SELECTION = 100
"""Characters that a row shows of a selection."""


@command(short_help="Show what operators have done.")
@option("--since", "Done then or later: 2h (ago), 3d, an RFC 3339 instant.", type=PAST)
@page_options("entry", "Entries")
@as_json
async def audit(outbox: Outbox, *, since: datetime | None, limit: int, after: str | None) -> None:
    """Show what operators have done, the latest first; it is kept for 90 days.

    The actor is what the client said: this is a log, no evidence. Without an end the act goes on, or was cut
    off.
    """

    async def entries() -> AsyncIterator[AuditEntry]:
        with slow("reading the audit"):
            page = await outbox.audit(since=since, limit=limit + 1, after=after)
        for entry in page:
            yield entry

    await show_page("audit", entries(), audit_to_json, AUDIT_COLUMNS, _audit_row, limit=limit)


def _audit_row(entry: AuditEntry) -> tuple[object, ...]:
    selection = json.dumps(dict(entry.selection), ensure_ascii=False)
    if len(selection) > LONGEST_SELECTION:
        selection = f"{selection[:LONGEST_SELECTION]}..."
    did = (entry.actor, entry.via, entry.host, entry.action, entry.count or "", moment(entry.ended_at))
    return (moment(entry.at), *did, entry.reason, selection)
