"""Operate on all jobs that match: show how many, ask, go on in batches, say how far it came."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import click

from sp00ky_core.cli.context import Settings
from sp00ky_core.cli.errors import FAILED, say
from sp00ky_core.cli.jobs.selection import Selection, warn_of_unknown_path
from sp00ky_core.cli.run.signals import stop_signal
from sp00ky_core.cli.terminal.output import is_terminal, show_json
from sp00ky_core.cli.terminal.progress import counted, slow
from sp00ky_core.operators.bulk import Action, BulkResult
from sp00ky_core.outbox import Outbox

DONE = {"kill": "killed", "redrive": "redriven", "clear": "cleared"}
COUNTING = "counting the jobs that match"


def operate_on_matching(
    context: click.Context, settings: Settings, action: Action, selection: Selection, **options: Any
) -> int:
    """Do it to the jobs that match, if it is wanted; the exit code.

    Raises ``click.UsageError`` where there is no terminal to ask on and ``--yes`` wasn't given.
    """
    if selection.dry_run or not selection.yes:
        matched = settings.ask(lambda outbox: _count(outbox, action, selection), COUNTING)
        if selection.dry_run:
            _show(BulkResult(matched=matched), f"would be {DONE[action.name]}: {matched}", selection)
            return 0
        if not _is_wanted(context, action, matched):
            return FAILED
    result, is_interrupted = settings.ask(lambda outbox: _work(outbox, action, selection, options))
    _show(result, f"{DONE[action.name]}: {result.done}", selection, is_interrupted=is_interrupted)
    return FAILED if is_interrupted or any(result.refused.values()) else 0


async def _count(outbox: Outbox, action: Action, selection: Selection) -> int:
    warn_of_unknown_path(outbox, selection.conditions)
    return await outbox.count_matching(action, selection.conditions, limit=selection.limit)


def _is_wanted(context: click.Context, action: Action, matched: int) -> bool:
    number = _number(matched)
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        problem = f"{number} would be {DONE[action.name]}, and nothing was done: add --yes to do it"
        raise click.UsageError(problem, context)
    if not matched:
        return True
    if click.confirm(f"{number} will be {DONE[action.name]}. Go on?", err=True):
        return True
    say("nothing was done")
    return False


async def _work(
    outbox: Outbox, action: Action, selection: Selection, options: Mapping[str, Any]
) -> tuple[BulkResult, bool]:
    """Go on until it is done, or a signal comes: then to the end of the batch. Whether it was interrupted."""
    work = outbox.steps(action, selection.conditions, limit=selection.limit, **options)
    with stop_signal() as stopped:
        async with aclosing(work):
            with slow(COUNTING):
                result = await anext(work)
            if selection.yes:
                warn_of_unknown_path(outbox, selection.conditions)
                say(f"{_number(result.matched)} {'matches' if result.matched == 1 else 'match'}")
            with counted() as show:
                while not (stopped.is_set() and result.looked_at < result.matched):
                    show(f"{DONE[action.name]}: {result.done:,} of {result.matched:,}", result.looked_at)
                    if (following := await anext(work, None)) is None:
                        return result, False
                    result = following
    return result, True


def _show(result: BulkResult, text: str, selection: Selection, *, is_interrupted: bool = False) -> None:
    if selection.json_wanted:
        numbers = {"matched": result.matched, "done": result.done, "refused": dict(result.refused)}
        dry_run = {"dry_run": True} if selection.dry_run else {}
        show_json({**numbers, **dry_run, "interrupted": is_interrupted})
    else:
        click.echo(text)
    if refused := ", ".join(f"{count} {why}" for why, count in result.refused.items() if count):
        first = f"; the first: {result.problem}" if result.problem else ""
        say(f"refused: {refused}{first}")
    if is_interrupted:
        say(f"interrupted after {result.looked_at:,} of {result.matched:,} jobs: the others are as they were")


def _number(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
