"""``sp00ky jobs kill | retry | clear``: an operator's hand; exit 1 when something wasn't done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from sp00ky_core.cli.arguments.durations import DURATION
from sp00ky_core.cli.context import Settings, command
from sp00ky_core.cli.jobs.bulk import operate_on_matching
from sp00ky_core.cli.jobs.by_id import operate_on_ids
from sp00ky_core.cli.jobs.group import jobs
from sp00ky_core.cli.jobs.selection import Selection, selection_options
from sp00ky_core.operators.bulk import CLEAR, KILL, REDRIVE, Action


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
