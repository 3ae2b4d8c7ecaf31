"""``sp00ky jobs kill | retry | clear | reschedule | copy``; they exit 1 if something wasn't done."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, Unpack

import attrs
import click

from sp00ky_core.cli.job_format import show_job
from sp00ky_core.cli.jobs.selection import (
    Selection,
    beginning_with,
    job_of,
    selection_options,
    warn_of_unknown_path,
)
from sp00ky_core.cli.options import (
    DURATION,
    FAILED,
    LATER,
    Settings,
    act_options,
    as_json,
    command,
    flag,
    option,
)
from sp00ky_core.cli.output import counted, is_terminal, say, show_json, show_rows, slow
from sp00ky_core.cli.payload import read_payload
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.job.job import Job
from sp00ky_core.outbox.operators.bulk import CLEAR, DONE, KILL, REDRIVE, RESCHEDULE, Action, BulkResult
from sp00ky_core.outbox.operators.jobs import copy_job
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import ActOptions, JobQuery, OperatorFate, OperatorResult


@command(name="kill", short_help="End jobs that are pending or processing.")
@selection_options(KILL.statuses)
def kill(settings: Settings, **options: Any) -> int:
    """End jobs that are pending or processing; an attempt in flight is fenced off.

    The reason is written into each job's errors, too.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, KILL, options)


@command(name="retry", short_help="Make failed jobs pending again (redrive).")
@selection_options(REDRIVE.statuses)
@flag("--resend-unknown", "Also where a request that must not be repeated may have arrived.")
@option("--over", "They become due evenly within so long: 10m.", type=DURATION)
def retry(settings: Settings, **options: Any) -> int:
    """Make failed jobs pending again (redrive), with all their retries; their errors are kept.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, REDRIVE, options)


@command(name="clear")
@selection_options(CLEAR.statuses)
def clear(settings: Settings, **options: Any) -> int:
    """Delete jobs that have ended; others are never deleted.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, CLEAR, options)


def _operate(settings: Settings, action: Action, options: dict[str, Any]) -> int:
    selection = Selection.taken_from(options)
    if selection.job_ids:
        return _operate_on_ids(settings, action, selection.job_ids, **options)
    return _operate_on_matching(settings, action, selection, **options)


@command(name="reschedule", short_help="Change when pending jobs are due, or their priority.")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@option("--at", "They are due then: 2026-01-31T12:00:00Z.", type=LATER)
@option("--delay", "They are due so long from now: 90 (seconds), 5m, 6h.", type=DURATION)
@flag("--now", "They are due at once.")
@option("--priority", "0 to 3; higher ones go first.", type=int)
@act_options
@as_json
def reschedule(settings: Settings, *, job_ids: tuple[str, ...], **options: Any) -> int:
    """Change when pending jobs are due, or their priority, or both; others are refused.

    Give one of --at, --delay and --now, or --priority. What they hold back by their ordering key waits on.
    """
    return _operate_on_ids(settings, RESCHEDULE, job_ids, **options)


@command(name="copy", short_help="Enqueue a new job like an old one.")
@click.argument("job_id", metavar="ID")
@option("--payload", "Another payload: JSON, @FILE, or - for standard input.", metavar="PAYLOAD")
@act_options
@as_json
def copy(settings: Settings, *, job_id: str, payload: str | None, **act: Any) -> None:
    """Enqueue a new job like an old one, whatever became of that, and print the new one's id.

    It has the same backend, path, payload, retries, timeout, record, priority and ordering key (there it is
    the last), and no dedup key; it is checked against the backend's document as every new job is.
    """
    document = None if payload is None else read_payload(payload)
    job = settings.ask(lambda outbox: _copy(outbox, job_id, document, **act))
    show_job(job, json_wanted=settings.json, whole=False)


async def _copy(outbox: Outbox, job_id: str, payload: Any, **act: Unpack[ActOptions]) -> Job:
    return await copy_job(outbox, await job_of(outbox, job_id), payload, **act)


AMBIGUOUS = "ambiguous"
"""What came of an id that was shortened too far."""

WHY = {
    OperatorFate.DUPLICATE: "another job with its dedup key hasn't ended",
    OperatorFate.CHANGED: "it kept changing meanwhile; try again",
}


@attrs.frozen
class _Row:
    """Report what came of one id; the complaint says why it wasn't done."""

    job_id: str
    result: str
    complaint: str | None = None


def _operate_on_ids(settings: Settings, action: Action, job_ids: Sequence[str], **options: Any) -> int:
    """Operate on each job once, as one act; print what was done and what wasn't; return the exit code."""
    given = list(dict.fromkeys(job_ids))
    rows = settings.ask(lambda outbox: _operate_on(outbox, action, given, **options))
    if settings.json:
        show_json({"results": [{"id": row.job_id, "result": row.result} for row in rows]})
    elif done := [(row.job_id, row.result) for row in rows if row.complaint is None]:
        show_rows(("id", "result"), done)
    complaints = [row.complaint for row in rows if row.complaint is not None]
    for complaint in complaints:
        say(complaint)
    return int(bool(complaints))


async def _operate_on(outbox: Outbox, action: Action, job_ids: Sequence[str], **options: Any) -> list[_Row]:
    candidates = await _candidates(outbox, job_ids)
    full = [ids[0] for ids in candidates.values() if len(ids) == 1]
    operated: Sequence[OperatorResult] = await getattr(outbox, action.name)(*dict.fromkeys(full), **options)
    results = {result.job_id: _row(result) for result in operated}
    rows = (results[ids[0]] if len(ids) == 1 else _ambiguous(given, ids) for given, ids in candidates.items())
    return list(dict.fromkeys(rows))


async def _candidates(outbox: Outbox, job_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids that each given one may stand for; itself where it is whole, or stands for none."""
    rows = await outbox.jobs.find(JobQuery(ids=tuple(job_ids), limit=len(job_ids)))
    whole = {job.id for job in rows}
    return {
        given: [given] if given in whole else await beginning_with(outbox, given) or [given]
        for given in job_ids
    }


def _ambiguous(given: str, candidates: Sequence[str]) -> _Row:
    return _Row(given, AMBIGUOUS, str(JobIdAmbiguous(job_id=given, candidates=tuple(candidates))))


def _row(result: OperatorResult) -> _Row:
    job_id, fate = result.job_id, result.fate
    if fate in DONE:
        return _Row(job_id, fate.value)
    if fate is OperatorFate.NOT_FOUND:
        return _Row(job_id, fate.value, str(JobNotFound(job_id=job_id)))
    return _Row(job_id, fate.value, result.problem or f"job {job_id}: {WHY.get(fate, fate.value)}")


DID = {"kill": "killed", "redrive": "redriven", "clear": "cleared"}
COUNTING = "counting the jobs that match"


def _operate_on_matching(settings: Settings, action: Action, selection: Selection, **options: Any) -> int:
    """Operate on the jobs that match, if it is wanted; return the exit code.

    Raises ``click.UsageError`` where there is no terminal to ask on and ``--yes`` wasn't given.
    """
    if selection.dry_run or not selection.yes:
        matched = settings.ask(lambda outbox: _count(outbox, action, selection), COUNTING)
        if selection.dry_run:
            _show(
                settings, BulkResult(matched=matched), f"would be {DID[action.name]}: {matched}", is_dry=True
            )
            return 0
        if not _is_wanted(action, matched):
            return FAILED
    result, is_interrupted = settings.ask(lambda outbox: _work(outbox, action, selection, options))
    _show(settings, result, f"{DID[action.name]}: {result.done}", is_interrupted=is_interrupted)
    return FAILED if is_interrupted or any(result.refused.values()) else 0


async def _count(outbox: Outbox, action: Action, selection: Selection) -> int:
    warn_of_unknown_path(outbox, selection.conditions)
    return await outbox.count_matching(action, selection.conditions, limit=selection.limit)


def _is_wanted(action: Action, matched: int) -> bool:
    number = _number(matched)
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        problem = f"{number} would be {DID[action.name]}, and nothing was done: add --yes to do it"
        raise click.UsageError(problem)
    if not matched:
        return True
    if click.confirm(f"{number} will be {DID[action.name]}. Go on?", err=True):
        return True
    say("nothing was done")
    return False


async def _work(
    outbox: Outbox, action: Action, selection: Selection, options: Mapping[str, Any]
) -> tuple[BulkResult, bool]:
    """Operate until all is done, or until the batch's end after a signal; return whether one came."""
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
                    show(f"{DID[action.name]}: {result.done:,} of {result.matched:,}", result.looked_at)
                    if (following := await anext(work, None)) is None:
                        return result, False
                    result = following
    return result, True


def _show(
    settings: Settings, result: BulkResult, text: str, *, is_dry: bool = False, is_interrupted: bool = False
) -> None:
    if settings.json:
        numbers = {"matched": result.matched, "done": result.done, "refused": dict(result.refused)}
        dry_run = {"dry_run": True} if is_dry else {}
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
