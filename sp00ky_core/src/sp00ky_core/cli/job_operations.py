"""``sp00ky jobs kill | retry | clear | reschedule | copy | redact | erase | export | import``.

They exit 1 if something wasn't done.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import click

from sp00ky_core.cli.command import FAILED, Settings, as_typed, command, flag, option, with_options
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.options import (
    DURATION,
    LATER,
    Choice,
    backend_names,
    beginning_with,
    choice_options,
    how_options,
    job_of,
    read_payload,
    warn_of_unknown,
)
from sp00ky_core.cli.output import aligned, counted, is_terminal, show, slow
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.job.job import TERMINAL, Job, job_to_json
from sp00ky_core.outbox.operators import bulk
from sp00ky_core.outbox.operators.bulk import DONE, ERASE, IMPORT, REDACT, Action, BulkResult
from sp00ky_core.outbox.operators.copies import copying
from sp00ky_core.outbox.operators.export_import import EXPORT_FORMATS, ExportFormat, record_of
from sp00ky_core.outbox.operators.redaction import RedactionResult
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import JobQuery, OperatorFate, OperatorResult

Steps = AsyncGenerator[BulkResult, None]


def operation(
    action: Action, *options: Callable[[Any], Any], short_help: str | None = None, **choosing: Any
) -> Callable[[Callable[..., int]], click.Command]:
    """Declare a command that operates on jobs, with what chooses them; ``choosing`` as ``choice_options``."""
    choosing = {"statuses": action.statuses, **choosing}
    declare = with_options(choice_options(**choosing), *options, how_options)
    return lambda function: command(name=action.name, short_help=short_help)(declare(function))


@operation(bulk.KILL, short_help="End jobs that are pending or processing.")
def kill(settings: Settings, *, choice: Choice, **options: Any) -> int:
    """End jobs that are pending or processing; an attempt in flight is fenced off.

    The reason is written into each job's errors, too.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, bulk.KILL, choice, options)


@operation(
    bulk.RETRY,
    flag("--resend-unknown", "Also where a request that must not be repeated may have arrived."),
    option("--over", "They become due evenly within so long: 10m.", type=DURATION),
    short_help="Make failed jobs pending again.",
)
def retry(settings: Settings, *, choice: Choice, **options: Any) -> int:
    """Make failed jobs pending again, with all their retries; their errors are kept.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, bulk.RETRY, choice, options)


@operation(bulk.CLEAR)
def clear(settings: Settings, *, choice: Choice, **options: Any) -> int:
    """Delete jobs that have ended; others are never deleted.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, bulk.CLEAR, choice, options)


@operation(
    bulk.RESCHEDULE,
    option("--at", "They are due then: 2026-01-31T12:00:00Z.", type=LATER),
    option("--delay", "They are due so long from now: 90 (seconds), 5m, 6h.", type=DURATION),
    flag("--now", "They are due at once."),
    option("--priority", "0 to 3; higher ones go first.", type=int),
    short_help="Change when pending jobs are due, or their priority.",
)
def reschedule(settings: Settings, *, choice: Choice, **options: Any) -> int:
    """Change when pending jobs are due, or their priority, or both; others are refused.

    Give one of --at, --delay and --now, or --priority. What they hold back by their ordering key waits on.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, bulk.RESCHEDULE, choice, options)


def _operate(settings: Settings, action: Action, choice: Choice, options: dict[str, Any]) -> int:
    """Operate on the jobs that are named, or that match, if it is wanted; return the exit code."""
    if choice.job_ids:
        return _operate_on_ids(settings, action, choice.job_ids, **options)

    async def steps(outbox: Outbox, *, dry: bool) -> Steps:
        work = outbox.steps(action, choice.conditions, limit=choice.limit, **options)  # checks the options
        return counting(outbox, action, choice) if dry else work

    return operate_if_wanted(settings, action, choice, steps)


async def counting(outbox: Outbox, action: Action, choice: Choice) -> Steps:
    """Count the jobs that match."""
    yield BulkResult(matched=await outbox.count_matching(action, choice.conditions, limit=choice.limit))


def operate_if_wanted(
    settings: Settings, action: Action, choice: Choice, steps_of: Callable[..., Awaitable[Steps]]
) -> int:
    """Count the jobs, ask, take the steps, show what was done; return the exit code.

    ``steps_of`` makes the steps in an outbox, which only count where they are ``dry``.

    Raises:
        click.UsageError: there is no terminal to ask on, and ``--yes`` wasn't given.
    """

    async def work(outbox: Outbox, *, dry: bool = False) -> tuple[BulkResult, bool]:
        if dry or choice.yes:
            warn_of_unknown(outbox, choice.conditions)
        return await _worked_off(action, await steps_of(outbox, dry=dry), choice, dry=dry)

    if choice.dry_run or not (choice.yes or choice.job_ids):
        counted, _ = settings.ask(partial(work, dry=True))
        if choice.dry_run:
            return show_result(action, counted, is_dry=True)
        if not _is_wanted(action, counted.matched - counted.looked_at):
            return FAILED
    result, is_interrupted = settings.ask(work)
    return show_result(action, result, is_interrupted=is_interrupted)


@operation(
    bulk.COPY,
    option("--backend", "Enqueue them to this one instead.", name="target", shell_complete=backend_names),
    option(
        "--payload", "With one ID, another payload: JSON, @FILE, or - for standard input.", metavar="PAYLOAD"
    ),
    short_help="Enqueue new jobs like old ones, also to another backend.",
    of_backend="--from",
)
def copy(
    settings: Settings, *, choice: Choice, target: str | None, payload: str | None, **options: Any
) -> int:
    """Enqueue new jobs like old ones, and print their ids, or with filters how many they are.

    Each has the same backend (or --backend), path, payload, retries, timeout, record, priority and ordering
    key (there it is the last), no dedup key, and says of which job it is a copy. It is checked against the
    backend's document as every new job is.

    Name them by ID, whatever became of them; or those that have ended by filters, all of which must be met,
    or --all. With --backend these are jobs of all other backends, or of the one that --from names.
    """
    if payload is not None and len(choice.job_ids) != 1:
        raise click.UsageError("--payload goes with one ID")
    if choice.job_ids:
        document = None if payload is None else read_payload(payload)
        return _copy_named(settings, choice.job_ids, {"backend": target, "payload": document, **options})

    async def steps(outbox: Outbox, *, dry: bool) -> Steps:
        if dry:
            return counting(outbox, copying(outbox.backends, target), choice)
        return outbox.copy_steps(choice.conditions, limit=choice.limit, backend=target, **options)

    return operate_if_wanted(settings, bulk.COPY, choice, steps)


def _copy_named(settings: Settings, job_ids: Sequence[str], options: dict[str, Any]) -> int:
    async def copied(outbox: Outbox) -> list[Job]:
        copies: list[Job] = await outbox.copy(*await _whole(outbox, job_ids), **options)
        return copies

    copies = settings.ask(copied)
    documents = [job_to_json(job) for job in copies]
    show({"jobs": documents} if len(job_ids) > 1 else documents[0], [job.id for job in copies])
    return 0


async def _whole(outbox: Outbox, job_ids: Sequence[str]) -> list[str]:
    """Return the ids that may be shortened as they are, each once."""
    return list(dict.fromkeys([(await job_of(outbox, job_id)).id for job_id in job_ids]))


@operation(
    REDACT,
    option(
        "--field",
        "Only this of payload and result: a JSON pointer, /card.",
        name="fields",
        multiple=True,
        metavar="POINTER",
    ),
    flag("--kill", "End those that are pending first."),
    flag("--keys", "Also assigned_to, dedup_key and ordering_key, copies, and what extensions have."),
    short_help="Take payload, result and errors out of jobs that have ended.",
    counts_named=True,
)
def redact(settings: Settings, *, choice: Choice, **options: Any) -> int:
    """Take payload, result and the errors' reasons out of jobs; ids, times and codes stay.

    Jobs that are pending are refused unless --kill is given, those that are processing are refused. What
    still says whom they were for is named, or cleared with --keys. The audit holds a hash of the selection.

    Name them by ID, or by filters, all of which must be met, or --all.
    """
    return _operate_with_proof(settings, REDACT, choice, partial(Outbox.redact_steps, **options))


@operation(
    ERASE,
    short_help="Kill jobs, wait for their attempts, delete them; with a proof.",
    statuses=sorted(TERMINAL),
    counts_named=True,
)
def erase(settings: Settings, *, choice: Choice, **options: Any) -> int:
    """Kill the jobs that haven't ended, wait until no attempt can be under way, and delete all of them.

    What it prints proves it: how many, a hash of the selection, and the audit's entry, which has no more.
    Exit 1 if jobs, or copies of them, are left.

    Name them by ID, or by filters, all of which must be met, or --all.
    """
    return _operate_with_proof(settings, ERASE, choice, partial(Outbox.erase_steps, **options))


def _operate_with_proof(
    settings: Settings, action: Action, choice: Choice, make_steps: Callable[..., Steps]
) -> int:
    async def steps(outbox: Outbox, *, dry: bool) -> Steps:
        ids = await _whole(outbox, choice.job_ids)
        meant: dict[str, Any] = {} if ids else {"filter": choice.conditions, "limit": choice.limit}
        return make_steps(outbox, *ids, **meant, dry_run=dry)

    return operate_if_wanted(settings, action, choice, steps)


@command(name="export", short_help="Print jobs as JSON, one a line, or as CSV.")
@choice_options()
@option("--format", "Lines of JSON, or CSV.", type=click.Choice(list(EXPORT_FORMATS)), default="ndjson")
@option("--columns", "Only these: id,status,updated_at.", metavar="NAME,...")
@click.option("--json", is_flag=True, expose_value=False, hidden=True)  # it always does
def export(settings: Settings, *, choice: Choice, format: str, columns: str | None) -> int:  # noqa: A002  # as it is typed
    """Print jobs as JSON, one a line (NDJSON), or as CSV, newest first, however many; nothing is changed.

    Name them by ID, or by filters, all of which must be met, or --all. Those that are enqueued meanwhile may
    be missing. Exit 1 if it was interrupted, or a job that was named is missing.

    `jobs import` reads lines of JSON that have all columns.
    """
    written = EXPORT_FORMATS[format](None if columns is None else columns.split(","))

    async def export_chosen(outbox: Outbox) -> int:
        click.echo(written.head, nl=False)
        if choice.job_ids:
            return await _print_named(outbox, choice.job_ids, written)
        warn_of_unknown(outbox, choice.conditions)
        return await _print_all(outbox.export(choice.conditions, limit=choice.limit), written)

    return settings.ask(export_chosen)


async def _print_named(outbox: Outbox, job_ids: Sequence[str], written: ExportFormat) -> int:
    code = 0
    for job_id in dict.fromkeys(job_ids):
        try:
            click.echo(written.line(record_of(await job_of(outbox, job_id))), nl=False)
        except (JobNotFound, JobIdAmbiguous) as error:
            say(str(error))
            code = error.exit_code
    return code


async def _print_all(records: AsyncGenerator[Mapping[str, Any], None], written: ExportFormat) -> int:
    """Print each job as it is read, so that memory holds only a page; return the exit code."""
    count = 0
    with stop_signal() as stopped:
        async with aclosing(records):
            with slow("looking for jobs"):
                record = await anext(records, None)
            with counted() as show:
                while record is not None and not stopped.is_set():
                    click.echo(written.line(record), nl=False)
                    count += 1
                    show(f"exported: {count:,}", count)
                    record = await anext(records, None)
        if record is None:
            return 0
    say(f"interrupted after {count:,} jobs")
    return FAILED


@command(name="import", short_help="Insert jobs that were exported from another database.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@how_options
def import_(settings: Settings, *, file: Path, dry_run: bool, yes: bool, **act: Any) -> int:
    """Insert the jobs of FILE, which `jobs export` has written, with their ids, times, statuses and errors.

    FILE is looked at first: nothing is imported of an export of another version, or that has a job which is
    processing. A job that is there with the same content is skipped: what was interrupted can be repeated.
    """

    async def steps(outbox: Outbox, *, dry: bool) -> Steps:
        return outbox.import_steps(file, dry_run=dry, **act)

    return operate_if_wanted(settings, IMPORT, Choice(dry_run=dry_run, yes=yes), steps)


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
    done = [(row.job_id, row.result) for row in rows if row.complaint is None]
    document = {"results": [{"id": row.job_id, "result": row.result} for row in rows]}
    show(document, aligned(("id", "result"), done) if done else ())
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


async def _worked_off(action: Action, steps: Steps, choice: Choice, *, dry: bool) -> tuple[BulkResult, bool]:
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
    action: Action, result: BulkResult, *, is_dry: bool = False, is_interrupted: bool = False
) -> int:
    """Print what was done, or would be; on stderr what wasn't, and what is left. Return the exit code."""
    dry = {"dry_run": True} if is_dry else {}
    would_be = f"would be {action.past}: {result.matched - result.looked_at}"
    line = would_be if is_dry else f"{action.past}: {result.done}{_proof(result)}"
    show({**_numbers(action, result), **dry, "interrupted": is_interrupted}, [line])
    if action is IMPORT and result.skipped:
        say(f"there already, with the same content: {result.skipped}")
    refused = ", ".join(f"{count} {why}" for why, count in result.refused.items() if count)
    if refused:
        say(as_typed(f"refused: {refused}" + (f"; the first: {result.problem}" if result.problem else "")))
    if is_interrupted:
        say(f"interrupted after {result.looked_at:,} of {result.matched:,} jobs: the others are as they were")
    is_left = _say_left(action, result)  # whatever else has failed
    return int(bool(refused) or is_interrupted or is_left)


def _numbers(action: Action, result: BulkResult) -> Mapping[str, Any]:
    if isinstance(result, RedactionResult):
        return attrs.asdict(result, filter=attrs.filters.exclude("problem"))
    numbers = {"matched": result.matched, "done": result.done, "refused": dict(result.refused)}
    return numbers | ({"skipped": result.skipped} if action is IMPORT else {})


def _proof(result: BulkResult) -> str:
    if not isinstance(result, RedactionResult):
        return ""
    killed = f" ({result.killed} killed first)" if result.killed else ""
    skipped = f"\nas they are to be: {result.skipped}" if result.skipped else ""
    return f"{killed}{skipped}\nselection (sha256): {result.selection_sha256}\naudit entry: {result.audit}"


def _say_left(action: Action, result: BulkResult) -> bool:
    """Say what is left of jobs that were redacted or erased; return whether that is a failure."""
    if not isinstance(result, RedactionResult):
        return False
    jobs = result.left.get("jobs", 0)
    if jobs:
        say(f"{jobs} of such jobs are there: they came meanwhile, or were refused")
    if left := [f"{name} {count}" for name, count in result.left.items() if name != "jobs"]:
        clears = "; --keys clears them" if action is REDACT else ""
        copies = f"; the copies: {' '.join(result.copies)}" if result.copies else ""
        say(f"left as they are: {', '.join(left)}{clears}{copies}")
    if result.done:
        say("what receivers keep of them by their ids, for 30 days, and backups, are as they were")
    return bool(result.left) if action is ERASE else "jobs" in result.left


def _number(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
