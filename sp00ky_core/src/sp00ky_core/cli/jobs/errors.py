"""``sp00ky jobs errors``: what goes wrong, in groups."""

from __future__ import annotations

from datetime import datetime

import click

from sp00ky_core.cli.arguments.instants import INSTANT
from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.terminal.job_format import moment
from sp00ky_core.cli.terminal.output import as_json, show_list
from sp00ky_core.encoding.report_json import json_of
from sp00ky_core.ports import ErrorGroup

COLUMNS = ("jobs", "backend", "path", "error", "code", "first (UTC)", "last (UTC)", "example")


@command(jobs, name="errors", short_help="Group what goes wrong by its error.")
@click.option("--since", type=INSTANT, help="Changed then or later: 1h (ago), 3d, an RFC 3339 instant.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Groups.")
@as_json
def errors(settings: Settings, *, since: datetime | None, limit: int, json_wanted: bool) -> None:
    """Group the jobs that are failed, or wait for a retry, by their last error; the largest first."""
    groups = settings.ask(lambda outbox: outbox.errors(since=since, limit=limit), "grouping the errors")
    show_list("errors", groups, json_of, COLUMNS, _row, json_wanted=json_wanted)


def _row(group: ErrorGroup) -> tuple[object, ...]:
    what = (group.count, group.backend, group.path, group.name, group.code or "")
    return (*what, moment(group.first), moment(group.last), group.example)
