"""``sp00ky jobs kill | retry | clear | reschedule | copy``; they exit 1 if something wasn't done."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, nullcontext
from functools import partial
from typing import Any, NamedTuple, TypeVar

import click

from sp00ky_core.cli.call import read_payload
from sp00ky_core.cli.choice import (
    Choice,
    beginning_with,
    choice_options,
    chosen,
    how_options,
    job_of,
    warn_of_unknown,
)
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.options import DURATION, LATER, backend_names
from sp00ky_core.cli.output import counted, is_terminal, show_job, show_json, show_rows, slow
from sp00ky_core.cli.settings import FAILED, Settings, as_typed, command, flag, option
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.job.job import Job, job_to_json
from sp00ky_core.outbox.operators.bulk import (
    CLEAR,
    COPY,
    DONE,
    IMPORT,
    KILL,
    REDRIVE,
    RESCHEDULE,
    Action,
    BulkResult,
)
from sp00ky_core.outbox.operators.copies import copying
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import JobQuery, OperatorFate, OperatorResult

Done = TypeVar("Done", bound=BulkResult)


@command(name="kill", short_help="End jobs that are pending or processing.")
@choice_options(KILL.statuses)
@how_options
def kill(settings: Settings, **options: Any) -> int:
    """End jobs that are pending or processing; an attempt in flight is fenced off.

    The reason is written into each job's errors, too.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, KILL, options)


@command(name="retry", short_help="Make failed jobs pending again (redrive).")
@choice_options(REDRIVE.statuses)
@how_options
@flag("--resend-unknown", "Also where a request that must not be repeated may have arrived.")
@option("--over", "They become due evenly within so long: 10m.", type=DURATION)
def retry(settings: Settings, **options: Any) -> int:
    """Make failed jobs pending again (redrive), with all their retries; their errors are kept.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, REDRIVE, options)


@command(name="clear")
@choice_options(CLEAR.statuses)
@how_options
def clear(settings: Settings, **options: Any) -> int:
    """Delete jobs that have ended; others are never deleted.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, CLEAR, options)


def _operate(settings: Settings, action: Action, options: dict[str, Any]) -> int:
    """Operate on the jobs that are named, or that match, if it is wanted; return the exit code."""
    choice = chosen(options)
    if choice.job_ids:
        return _operate_on_ids(settings, action, choice.job_ids, **options)

    async def steps(outbox: Outbox, *, dry: bool) -> AsyncGenerator[BulkResult, None]:
        work = outbox.steps(action, choice.conditions, limit=choice.limit, **options)  # checks the options
        return counting(outbox, action, choice) if dry else work

    return operate_if_wanted(settings, action, choice, steps)


async def counting(outbox: Outbox, action: Action, choice: Choice) -> AsyncGenerator[BulkResult, None]:
    """Count the jobs that match."""
    yield BulkResult(matched=await outbox.count_matching(action, choice.conditions, limit=choice.limit))


def operate_if_wanted(
    settings: Settings,
    action: Action,
    choice: Choice,
    steps_of: Callable[..., Coroutine[Any, Any, AsyncGenerator[Done, None]]],
    show: Callable[..., int] | None = None,
) -> int:
    """Count the jobs, ask, take the steps, show what was done; return the exit code.

    ``steps_of`` makes the steps in an outbox, which only count where they are ``dry``.

    Raises:
        click.UsageError: there is no terminal to ask on, and ``--yes`` wasn't given.
    """
    show = partial(show or show_result, settings, action)

    async def work(outbox: Outbox, *, dry: bool = False) -> tuple[Done, bool]:
        if dry or choice.yes:
            warn_of_unknown(outbox, choice.conditions)
        return await _worked_off(action, await steps_of(outbox, dry=dry), choice, dry=dry)

    if choice.dry_run or not (choice.yes or choice.job_ids):
        counted, _ = settings.ask(partial(work, dry=True))
        if choice.dry_run:
            return show(counted, is_dry=True)
        if not _is_wanted(action, counted.matched - counted.looked_at):
            return FAILED
    result, is_interrupted = settings.ask(work)
    return show(result, is_interrupted=is_interrupted)


@command(name="reschedule", short_help="Change when pending jobs are due, or their priority.")
@choice_options(RESCHEDULE.statuses)
@option("--at", "They are due then: 2026-01-31T12:00:00Z.", type=LATER)
@option("--delay", "They are due so long from now: 90 (seconds), 5m, 6h.", type=DURATION)
@flag("--now", "They are due at once.")
@option("--priority", "0 to 3; higher ones go first.", type=int)
@how_options
def reschedule(settings: Settings, **options: Any) -> int:
    """Change when pending jobs are due, or their priority, or both; others are refused.

    Give one of --at, --delay and --now, or --priority. What they hold back by their ordering key waits on.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, RESCHEDULE, options)


@command(name="copy", short_help="Enqueue new jobs like old ones, also to another backend.")
@choice_options(COPY.statuses, of_backend="--from")
@option("--backend", "Enqueue them to this one instead.", name="target", shell_complete=backend_names)
@option("--payload", "With one ID, another payload: JSON, @FILE, or - for standard input.", metavar="PAYLOAD")
@how_options
def copy(settings: Settings, *, target: str | None, payload: str | None, **options: Any) -> int:
    """Enqueue new jobs like old ones, and print their ids, or with filters how many they are.

    Each has the same backend (or --backend), path, payload, retries, timeout, record, priority and ordering
    key (there it is the last), no dedup key, and says of which job it is a copy. It is checked against the
    backend's document as every new job is.

    Name them by ID, whatever became of them; or those that have ended by filters, all of which must be met,
    or --all. With --backend these are jobs of all other backends, or of the one that --from names.
    """
    choice = chosen(options)
    if payload is not None and len(choice.job_ids) != 1:
        raise click.UsageError("--payload goes with one ID")
    if choice.job_ids:
        document = None if payload is None else read_payload(payload)
        return _copy_named(settings, choice.job_ids, {"backend": target, "payload": document, **options})

    async def steps(outbox: Outbox, *, dry: bool) -> AsyncGenerator[BulkResult, None]:
        if dry:
            return counting(outbox, copying(outbox.backends, target), choice)
        return outbox.copy_steps(choice.conditions, limit=choice.limit, backend=target, **options)

    return operate_if_wanted(settings, COPY, choice, steps)


def _copy_named(settings: Settings, job_ids: Sequence[str], options: dict[str, Any]) -> int:
    async def copied(outbox: Outbox) -> list[Job]:
        whole = dict.fromkeys([(await job_of(outbox, job_id)).id for job_id in job_ids])
        copies: list[Job] = await outbox.copy(*whole, **options)
        return copies

    copies = settings.ask(copied)
    if settings.json and len(job_ids) > 1:
        show_json({"jobs": [job_to_json(job) for job in copies]})
        return 0
    for job in copies:
        show_job(job, json_wanted=settings.json, whole=False)
    return 0


WHY = {
    OperatorFate.DUPLICATE: "another job with its dedup key hasn't ended",
    OperatorFate.CHANGED: "it kept changing meanwhile; try again",
}


class _Row(NamedTuple):
    """Reports what came of one id; the complaint says why it wasn't done."""

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
        say(as_typed(complaint))
    return int(bool(complaints))


async def _operate_on(outbox: Outbox, action: Action, job_ids: Sequence[str], **options: Any) -> list[_Row]:
    jobs = await outbox.jobs.find(JobQuery(ids=tuple(job_ids), limit=len(job_ids)))
    whole = {job.id for job in jobs}
    meant = {
        given: [given] if given in whole else await beginning_with(outbox, given) or [given]
        for given in job_ids
    }
    clear = dict.fromkeys(ids[0] for ids in meant.values() if len(ids) == 1)
    operated: Sequence[OperatorResult] = await getattr(outbox, action.name)(*clear, **options)
    results = {result.job_id: _row(result) for result in operated}
    rows: dict[str, _Row] = {}  # each job once
    for given, (job_id, *others) in meant.items():
        if others:
            error = JobIdAmbiguous(job_id=given, candidates=(job_id, *others))
            rows[given] = _Row(given, "ambiguous", str(error))
        else:
            rows[job_id] = results[job_id]
    return list(rows.values())


def _row(result: OperatorResult) -> _Row:
    job_id, fate = result.job_id, result.fate
    if fate in DONE:
        return _Row(job_id, fate.value)
    if fate is OperatorFate.NOT_FOUND:
        return _Row(job_id, fate.value, str(JobNotFound(job_id=job_id)))
    return _Row(job_id, fate.value, result.problem or f"job {job_id}: {WHY.get(fate, fate.value)}")


COUNTING = "counting the jobs that match"


def _is_wanted(action: Action, matched: int) -> bool:
    """Ask on the terminal. Raises ``click.UsageError`` where there is none to ask on."""
    number = _number(matched)
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        problem = f"{number} would be {action.past}, and nothing was done: add --yes to do it"
        raise click.UsageError(problem)
    if not matched or click.confirm(f"{number} will be {action.past}. Go on?", err=True):
        return True
    say("nothing was done")
    return False


async def _worked_off(
    action: Action, steps: AsyncGenerator[Done, None], choice: Choice, *, dry: bool
) -> tuple[Done, bool]:
    """Operate until all is done, or until the batch's end after a signal; return whether one came."""
    with nullcontext(asyncio.Event()) if dry else stop_signal() as stopped:
        async with aclosing(steps):
            with slow(COUNTING):
                result = await anext(steps)
            if choice.yes and not dry:
                say(f"{_number(result.matched)} {'matches' if result.matched == 1 else 'match'}")
            with counted() as show:
                while not (stopped.is_set() and result.looked_at < result.matched):
                    show(f"{action.past}: {result.done:,} of {result.matched:,}", result.looked_at)
                    if (following := await anext(steps, None)) is None:
                        return result, False
                    result = following
    return result, True


def show_result(
    settings: Settings,
    action: Action,
    result: BulkResult,
    *,
    is_dry: bool = False,
    is_interrupted: bool = False,
    numbers: Mapping[str, Any] | None = None,
    lines: Sequence[str] = (),
) -> int:
    """Print what was done, or would be, by default in numbers alone; return the exit code."""
    if settings.json:
        numbers = numbers or _numbers(action, result)
        show_json({**numbers, **({"dry_run": True} if is_dry else {}), "interrupted": is_interrupted})
    elif is_dry:
        click.echo(f"would be {action.past}: {result.matched - result.looked_at}")
    else:
        click.echo("\n".join(lines or [f"{action.past}: {result.done}"]))
    if action is IMPORT and result.skipped:
        say(f"there already, with the same content: {result.skipped}")
    refused = ", ".join(f"{count} {why}" for why, count in result.refused.items() if count)
    if refused:
        say(as_typed(f"refused: {refused}" + (f"; the first: {result.problem}" if result.problem else "")))
    if is_interrupted:
        say(f"interrupted after {result.looked_at:,} of {result.matched:,} jobs: the others are as they were")
    return FAILED if refused or is_interrupted else 0


def _numbers(action: Action, result: BulkResult) -> Mapping[str, Any]:
    numbers = {"matched": result.matched, "done": result.done, "refused": dict(result.refused)}
    return numbers | ({"skipped": result.skipped} if action is IMPORT else {})


def _number(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
