"""``sp00ky jobs redact | erase``: what a person may ask for, with a proof that holds nothing of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, cast

import attrs
import click

from sp00ky_core.cli.job_operations import (
    choice_options,
    chosen,
    is_wanted,
    job_of,
    jobs,
    show_refused,
    warn_of_unknown_path,
    work_off,
)
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.options import act_options
from sp00ky_core.cli.output import show_json
from sp00ky_core.cli.settings import FAILED, Settings, as_json, command, flag, option, with_options
from sp00ky_core.job.job import TERMINAL
from sp00ky_core.outbox.operators.bulk import ERASE, REDACT, Action
from sp00ky_core.outbox.operators.redaction import RedactionResult
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import JobFilter

Steps = AsyncGenerator[RedactionResult, None]

_how_options = with_options(
    flag("--dry-run", "Only count them."), flag("--yes", "Don't ask."), act_options, as_json
)


@command(jobs, name="redact", short_help="Take payload, result and errors out of jobs that have ended.")
@choice_options()
@option(
    "--field",
    "Only this of payload and result: a JSON pointer, /card.",
    name="fields",
    multiple=True,
    metavar="POINTER",
)
@flag("--kill", "End those that are pending first.")
@flag("--keys", "Also assigned_to, dedup_key and ordering_key, copies, and runs of schedules.")
@_how_options
def redact(settings: Settings, **options: Any) -> int:
    """Take payload, result and the errors' reasons out of jobs; ids, times and codes stay.

    Jobs that are pending are refused unless --kill is given, those that are processing are refused. What
    still says whom they were for is named, or cleared with --keys. The audit holds a hash of the selection.

    Name them by ID, or by filters, all of which must be met, or --all.
    """
    return _run(settings, REDACT, lambda outbox: outbox.redact_steps, options)


@command(jobs, name="erase", short_help="Kill jobs, wait for their attempts, delete them; with a proof.")
@choice_options(TERMINAL)
@_how_options
def erase(settings: Settings, **options: Any) -> int:
    """Kill the jobs that haven't ended, wait until no attempt can be under way, and delete all of them.

    What it prints proves it: how many, a hash of the selection, and the audit's entry, which has no more.

    Name them by ID, or by filters, all of which must be met, or --all.
    """
    return _run(settings, ERASE, lambda outbox: outbox.erase_steps, options)


def _run(
    settings: Settings,
    action: Action,
    steps_of: Callable[[Outbox], Callable[..., Steps]],
    options: dict[str, Any],
) -> int:
    limit, dry_run, yes = (options.pop(name) for name in ("limit", "dry_run", "yes"))
    given, conditions = chosen(options, limit=limit)

    async def steps(outbox: Outbox, *, dry: bool) -> Steps:
        ids = [(await job_of(outbox, job_id)).id for job_id in given]
        chosen_by: dict[str, Any] = {} if given else {"filter": conditions, "limit": limit}
        return steps_of(outbox)(*ids, **chosen_by, **options, dry_run=dry)

    if dry_run or not (yes or given):
        matched = settings.ask(lambda outbox: _matched(outbox, conditions, steps))
        if dry_run:
            return _show(settings, action, matched, is_dry=True)
        if not is_wanted(action, matched.matched):
            return FAILED

    async def work(outbox: Outbox) -> tuple[RedactionResult, bool]:
        result, is_interrupted = await work_off(action, await steps(outbox, dry=False), says_how_many=yes)
        return cast("RedactionResult", result), is_interrupted

    result, is_interrupted = settings.ask(work)
    return _show(settings, action, result, is_interrupted=is_interrupted)


async def _matched(outbox: Outbox, conditions: JobFilter, steps: Callable[..., Any]) -> RedactionResult:
    warn_of_unknown_path(outbox, conditions)
    counted = [result async for result in await steps(outbox, dry=True)]
    result: RedactionResult = counted[-1]
    return result


def _show(
    settings: Settings,
    action: Action,
    result: RedactionResult,
    *,
    is_dry: bool = False,
    is_interrupted: bool = False,
) -> int:
    """Print the proof; on stderr what is left. Return the exit code."""
    if settings.json:
        proof = {name: value for name, value in attrs.asdict(result).items() if name != "problem"}
        show_json({**proof, **({"dry_run": True} if is_dry else {}), "interrupted": is_interrupted})
    elif is_dry:
        click.echo(f"would be {action.past}: {result.matched}")
    else:
        for line in _lines(action, result):
            click.echo(line)
    for line in _left(action, result):
        say(line)
    if not is_dry and result.done:
        say("what receivers keep of them by their ids, for 30 days, and backups, are as they were")
    failed = show_refused(result, is_interrupted=is_interrupted)
    return FAILED if failed or result.left.get("jobs") else 0


def _lines(action: Action, result: RedactionResult) -> Sequence[str]:
    numbers = f"{action.past}: {result.done}" + (f" ({result.killed} killed first)" if result.killed else "")
    skipped = [f"as they are to be: {result.skipped}"] if result.skipped else []
    return [
        numbers,
        *skipped,
        f"selection (sha256): {result.selection_sha256}",
        f"audit entry: {result.audit}",
    ]


def _left(action: Action, result: RedactionResult) -> Sequence[str]:
    jobs = result.left.get("jobs", 0)
    lines = [f"{jobs} of such jobs are there: they came meanwhile, or were refused"] if jobs else []
    left = {name: count for name, count in result.left.items() if name != "jobs"}
    if left:
        counts = ", ".join(f"{name} {count}" for name, count in left.items())
        clears = "; --keys clears them" if action is REDACT else ""
        copies = f"; the copies: {' '.join(result.copies)}" if result.copies else ""
        lines.append(f"left as they are: {counts}{clears}{copies}")
    return lines
