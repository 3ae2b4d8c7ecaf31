"""``sp00ky jobs reschedule``: when pending jobs are due, and in what order they are claimed."""

from __future__ import annotations

from typing import Any

import click

from sp00ky_core.cli.arguments.act import act_options
from sp00ky_core.cli.arguments.durations import DURATION
from sp00ky_core.cli.arguments.instants import LATER
from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.jobs.by_id import operate_on_ids
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.terminal.output import as_json
from sp00ky_core.operators.bulk import RESCHEDULE


@command(jobs, name="reschedule", short_help="Change when pending jobs are due, or their priority.")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--at", type=LATER, help="They are due then: 2026-01-31T12:00:00Z.")
@click.option("--delay", type=DURATION, help="They are due so long from now: 90 (seconds), 5m, 6h.")
@click.option("--now", is_flag=True, help="They are due at once.")
@click.option("--priority", type=int, help="0 to 3; higher ones go first.")
@act_options
@as_json
@click.pass_context
def reschedule(
    context: click.Context,
    /,
    settings: Settings,
    *,
    job_ids: tuple[str, ...],
    json_wanted: bool,
    **options: Any,
) -> None:
    """Change when pending jobs are due, or their priority, or both; others are refused.

    Give one of --at, --delay and --now, or --priority. What they hold back by their ordering key waits on.
    """
    context.exit(operate_on_ids(settings, RESCHEDULE, job_ids, json_wanted=json_wanted, **options))
