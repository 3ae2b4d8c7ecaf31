"""``sp00ky jobs kill | retry | clear | reschedule``: an operator's hand; exit 1 if something wasn't done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from sp00ky_core.cli.arguments import DURATION, LATER, act_options
from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.jobs.bulk import operate_on_matching
from sp00ky_core.cli.jobs.by_id import operate_on_ids
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.jobs.selection import Selection, selection_options
from sp00ky_core.cli.terminal.output import as_json
from sp00ky_core.operators.bulk import CLEAR, KILL, REDRIVE, RESCHEDULE, Action


@command(jobs, name="kill", short_help="End jobs that are pending or processing.")
@selection_options(KILL.statuses)
@click.pass_context
def kill(context: click.Context, /, settings: Settings, **options: Any) -> None:
    """End jobs that are pending or processing; an attempt in flight is fenced off.

    The reason is written into each job's errors, too.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    _operate(context, settings, KILL, Selection.of(context, options))


@command(jobs, name="retry", short_help="Make failed jobs pending again (redrive).")
@selection_options(REDRIVE.statuses)
@click.option(
    "--resend-unknown", is_flag=True, help="Also where a request that must not be repeated may have arrived."
)
@click.option("--over", type=DURATION, help="They become due evenly within so long: 10m.")
@click.pass_context
def retry(
    context: click.Context,
    /,
    settings: Settings,
    *,
    resend_unknown: bool,
    over: timedelta | None,
    **options: Any,
) -> None:
    """Make failed jobs pending again (redrive), with all their retries; their errors are kept.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    selection = Selection.of(context, options)
    _operate(context, settings, REDRIVE, selection, resend_unknown=resend_unknown, over=over)


@command(jobs, name="clear")
@selection_options(CLEAR.statuses)
@click.pass_context
def clear(context: click.Context, /, settings: Settings, **options: Any) -> None:
    """Delete jobs that have ended; others are never deleted.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    _operate(context, settings, CLEAR, Selection.of(context, options))


def _operate(
    context: click.Context, settings: Settings, action: Action, selection: Selection, **options: Any
) -> None:
    options |= selection.act
    if selection.job_ids:
        context.exit(
            operate_on_ids(settings, action, selection.job_ids, json_wanted=selection.json_wanted, **options)
        )
    context.exit(operate_on_matching(context, settings, action, selection, **options))


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
