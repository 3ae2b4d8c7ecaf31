"""``sp00ky runners list | drain``: the processes that deliver."""

from __future__ import annotations

from typing import Any

import click

from sp00ky_core.cli.options import Settings, act_options, as_json, command, with_settings
from sp00ky_core.cli.output import moment, show_list
from sp00ky_core.outbox.report_json import runner_to_json
from sp00ky_core.ports import RunnerRecord

COLUMNS = ("id", "host", "pid", "version", "state", "started (UTC)", "last beat", "in flight")


@click.group()
@with_settings
def runners() -> None:
    """Look at the runners of the whole fleet, and ask one to drain."""


@command(runners, name="list", short_help="List the runners and their states.")
@as_json
def list_runners(settings: Settings) -> None:
    """List the runners, the youngest first: running, draining, or dead (silent for more than 6 s).

    One that has stopped cleanly is not among them.
    """
    rows = settings.ask(lambda outbox: outbox.runners())
    show_list("runners", rows, runner_to_json, COLUMNS, _row, json_wanted=settings.json)


def _row(runner: RunnerRecord) -> tuple[object, ...]:
    info = runner.info
    busy = ", ".join(
        f"{backend} {info.in_flight.get(backend, 0)}/{slots}" for backend, slots in info.slots.items()
    )
    seen = (moment(runner.started_at), f"{runner.silent_for:.0f} s ago")
    return (runner.id, runner.host, runner.pid, info.version, runner.state.value, *seen, busy)


@command(runners, name="drain", short_help="Ask a runner to end.")
@click.argument("runner_id", metavar="ID")
@act_options
def drain(settings: Settings, *, runner_id: str, **act: Any) -> None:
    """Ask the runner ID to drain: it claims nothing more, ends what it holds, and exits 0.

    It does so within 3 s. Exit 1 if there is no such runner, or it is dead.
    """
    settings.ask(lambda outbox: outbox.drain_runner(runner_id, **act))
    click.echo(f"{runner_id} was asked to drain: it claims nothing more, and exits when it holds nothing")
