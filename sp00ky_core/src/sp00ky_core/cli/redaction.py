"""``sp00ky jobs redact | erase``: what a person may ask for, with a proof that holds nothing of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import attrs

from sp00ky_core.cli.choice import choice_options, chosen, how_options, job_of
from sp00ky_core.cli.job_operations import operate_if_wanted, show_result
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.settings import FAILED, Settings, command, flag, option
from sp00ky_core.job.job import TERMINAL
from sp00ky_core.outbox.operators.bulk import ERASE, REDACT, Action
from sp00ky_core.outbox.operators.redaction import RedactionResult
from sp00ky_core.outbox.outbox import Outbox

Steps = AsyncGenerator[RedactionResult, None]


@command(name="redact", short_help="Take payload, result and errors out of jobs that have ended.")
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
@how_options
def redact(settings: Settings, **options: Any) -> int:
    """Take payload, result and the errors' reasons out of jobs; ids, times and codes stay.

    Jobs that are pending are refused unless --kill is given, those that are processing are refused. What
    still says whom they were for is named, or cleared with --keys. The audit holds a hash of the selection.

    Name them by ID, or by filters, all of which must be met, or --all.
    """
    return _run(settings, REDACT, Outbox.redact_steps, options)


@command(name="erase", short_help="Kill jobs, wait for their attempts, delete them; with a proof.")
@choice_options(TERMINAL)
@how_options
def erase(settings: Settings, **options: Any) -> int:
    """Kill the jobs that haven't ended, wait until no attempt can be under way, and delete all of them.

    What it prints proves it: how many, a hash of the selection, and the audit's entry, which has no more.
    Exit 1 if jobs, or copies of them, are left.

    Name them by ID, or by filters, all of which must be met, or --all.
    """
    return _run(settings, ERASE, Outbox.erase_steps, options)


def _run(
    settings: Settings, action: Action, make_steps: Callable[..., Steps], options: dict[str, Any]
) -> int:
    choice = chosen(options, counts_named=True)

    async def steps(outbox: Outbox, *, dry: bool) -> Steps:
        ids = [(await job_of(outbox, job_id)).id for job_id in choice.job_ids]
        meant: dict[str, Any] = {} if ids else {"filter": choice.conditions, "limit": choice.limit}
        return make_steps(outbox, *ids, **meant, **options, dry_run=dry)

    return operate_if_wanted(settings, action, choice, steps, _show)


def _show(settings: Settings, action: Action, result: RedactionResult, **how: bool) -> int:
    """Print the proof; on stderr what is left. Return the exit code."""
    proof = attrs.asdict(result, filter=attrs.filters.exclude("problem"))
    code = show_result(settings, action, result, numbers=proof, lines=_lines(action, result), **how)
    for line in _left(action, result):
        say(line)
    if result.done:
        say("what receivers keep of them by their ids, for 30 days, and backups, are as they were")
    is_left = bool(result.left) if action is ERASE else "jobs" in result.left
    return FAILED if is_left else code


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
