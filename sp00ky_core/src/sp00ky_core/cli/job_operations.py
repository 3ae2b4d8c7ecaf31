"""``sp00ky jobs kill | retry | clear | reschedule | copy``; they exit 1 if something wasn't done.

How jobs are chosen on the command line is here: by their ids, which may be shortened, by filters, or all.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

import attrs
import click

from sp00ky_core.backend.validation import unknown_route
from sp00ky_core.cli.call import read_payload
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.options import DURATION, INSTANT, LATER, act_options, backend_names
from sp00ky_core.cli.output import counted, is_terminal, show_job, show_json, show_rows, slow
from sp00ky_core.cli.settings import (
    FAILED,
    Settings,
    as_json,
    command,
    flag,
    option,
    with_options,
    with_settings,
)
from sp00ky_core.cli.signals import stop_signal
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.hints import nearest
from sp00ky_core.job.job import Job, JobStatus, job_to_json
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
from sp00ky_core.ports import JobFilter, JobQuery, OperatorFate, OperatorResult, ShortIds, has

SHORTEST_GENERATED = 20
"""Characters of a key. A shorter one was chosen by a client: what begins like it isn't meant by it."""

LONGEST_SHORT = 31
"""Characters of a key. A longer one isn't shortened: ours have 32."""


async def job_of(outbox: Outbox, given: str) -> Job:
    """Get the job of an id that may be shortened.

    Raises:
        JobNotFound: No job's id begins so.
        JobIdAmbiguous: Several do.
    """
    try:
        return await outbox.get(given)
    except JobNotFound:
        job_ids = await beginning_with(outbox, given)
        if not job_ids:
            raise
    if len(job_ids) > 1:
        raise JobIdAmbiguous(job_id=given, candidates=tuple(job_ids[:2]))
    return await outbox.get(job_ids[0])


async def beginning_with(outbox: Outbox, given: str, *, gone: Collection[str] = ()) -> list[str]:
    """List ids that begin so, at most two of each table, which may be left out; ``gone`` are just deleted."""
    key = given.partition(":")[2] if ":" in given else given
    if not 0 < len(key) <= LONGEST_SHORT:
        return []
    tables = dict.fromkeys(backend.table.table for backend in outbox.backends.values())
    prefixes = [given] if ":" in given else [f"{table}:{given}" for table in tables]
    store = has(outbox.store, ShortIds)
    job_ids = [job_id for prefix in prefixes if store for job_id in await store.ids_starting_with(prefix)]
    job_ids += [job_id for job_id in gone if job_id.startswith(tuple(prefixes))]
    return [
        job_id for job_id in dict.fromkeys(job_ids) if len(job_id.partition(":")[2]) >= SHORTEST_GENERATED
    ]


Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
@with_settings
def jobs() -> None:
    """Look at jobs, and look after them."""


def filter_options(
    statuses: Iterable[JobStatus] = JobStatus, *, created: bool = True, of_backend: str = "--backend"
) -> Callable[[Command], Command]:
    """Add an option for each condition; their values are what ``conditions_of`` takes.

    Without ``created`` none says when jobs were created.
    """
    return with_options(
        option(of_backend, "Only this backend's.", name="backend", shell_complete=backend_names),
        option("--status", "Only these.", type=click.Choice([status.value for status in statuses])),
        option("--path", "Only this operation's, in any spelling."),
        option("--error-name", "Only those whose last error has this name.", metavar="NAME"),
        option("--code", "Only those whose last error has this HTTP status, or 0.", type=int),
        *(period_options("", "Created") if created else ()),
        *period_options("failed-", "Failed for good"),
        *period_options("claimed-", "Being attempted, and claimed"),
        *period_options("ended-", "Ended, whether well or not,"),
        option("--assigned-to", "Only this record's.", metavar="RECORD"),
        option("--ordering-key", "Only those with this key.", metavar="KEY"),
        option("--runner", "Only those that this runner has.", name="runner_id", metavar="ID"),
        option("--trace", "Only those of this trace: its id, or a traceparent.", metavar="ID"),
        option(
            "--backend-request-id",
            "Only those whose last answer the backend called so (its requestId).",
            name="request_id",
            metavar="ID",
        ),
    )


def period_options(period: str, what: str) -> Iterator[Callable[[Command], Command]]:
    """Make the two options that say when something has come of a job."""
    text = f"{what} then or later: 2h (ago), 3d, an RFC 3339 instant."
    yield option(f"--{period}since", text, type=INSTANT)
    yield option(f"--{period}until", f"{what} before then.", type=INSTANT)


def conditions_of(options: dict[str, Any]) -> JobFilter:
    """Take the filters out of the options; others are left. Raises ``OptionInvalid``."""
    return JobFilter(**{field.name: options.pop(field.name, None) for field in attrs.fields(JobFilter)})


def choice_options(
    statuses: Iterable[JobStatus] = JobStatus, *, of_backend: str = "--backend"
) -> Callable[[Command], Command]:
    """Add what chooses jobs: IDs, filters, ``--limit`` and ``--all``; ``chosen`` takes their values."""
    return with_options(
        click.argument("job_ids", metavar="[ID]...", nargs=-1),
        filter_options(statuses, of_backend=of_backend),
        option("--limit", "At most so many, the newest.", type=click.IntRange(1)),
        flag("--all", "All that this can be done to.", name="is_all"),
    )


def chosen(
    options: dict[str, Any], *, limit: int | None, dry_run: bool = False
) -> tuple[Sequence[str], JobFilter]:
    """Take the ids that are named, or else the filters, out of the options; others are left.

    Raises ``click.UsageError`` where they choose nothing, or contradict.
    """
    conditions = conditions_of(options)
    job_ids, is_all = options.pop("job_ids"), options.pop("is_all")
    is_filtered = conditions != JobFilter()
    if job_ids and (is_filtered or is_all or limit is not None or dry_run):
        raise click.UsageError("filters, --limit, --all and --dry-run go without IDs")
    if is_all and is_filtered:
        raise click.UsageError("--all goes without filters")
    if not (job_ids or is_all or is_filtered or limit is not None):
        raise click.UsageError("nothing is chosen, and nothing was done: name IDs, filters, or --all")
    return job_ids, conditions


def warn_of_unknown_path(outbox: Outbox, conditions: JobFilter) -> None:
    """Say that no document has the operation that is asked for, where that is so: it may be misspelt."""
    meant = [
        backend
        for name, backend in outbox.backends.items()
        if conditions.backend in {None, name} and backend.contract.is_read
    ]
    if not meant:
        return  # an application isn't run to look at its jobs
    for path in conditions.paths or ():
        if not any(backend.contract.operation(path) for backend in meant):
            errors = [unknown_route(backend, path) for backend in meant]
            known = {text for error in errors for text in error.known}
            hint = next((error.reason for error in errors if error.reason), nearest(path, known))
            say(f"warning: no document has an operation {path!r} that can be called; {hint}")


def _operator_options(action: Action) -> Callable[[Command], Command]:
    """Add what ``jobs kill``, ``retry`` and ``clear`` have in common."""
    return with_options(
        choice_options(action.statuses),
        flag("--dry-run", "Only count them."),
        flag("--yes", "Don't ask."),
        act_options,
        as_json,
    )


@command(jobs, name="kill", short_help="End jobs that are pending or processing.")
@_operator_options(KILL)
def kill(settings: Settings, **options: Any) -> int:
    """End jobs that are pending or processing; an attempt in flight is fenced off.

    The reason is written into each job's errors, too.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, KILL, **options)


@command(jobs, name="retry", short_help="Make failed jobs pending again (redrive).")
@_operator_options(REDRIVE)
@flag("--resend-unknown", "Also where a request that must not be repeated may have arrived.")
@option("--over", "They become due evenly within so long: 10m.", type=DURATION)
def retry(settings: Settings, **options: Any) -> int:
    """Make failed jobs pending again (redrive), with all their retries; their errors are kept.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, REDRIVE, **options)


@command(jobs, name="clear")
@_operator_options(CLEAR)
def clear(settings: Settings, **options: Any) -> int:
    """Delete jobs that have ended; others are never deleted.

    Name them by ID, or by filters, all of which must be met, or --all. With filters their number is shown
    and asked for first; without a terminal, give --yes.
    """
    return _operate(settings, CLEAR, **options)


def _operate(
    settings: Settings, action: Action, *, limit: int | None, dry_run: bool, yes: bool, **options: Any
) -> int:
    """Operate on the jobs that are named, or that match, if it is wanted; return the exit code.

    Raises ``click.UsageError`` where there is no terminal to ask on and ``--yes`` wasn't given.
    """
    job_ids, conditions = chosen(options, limit=limit, dry_run=dry_run)
    if job_ids:
        return _operate_on_ids(settings, action, job_ids, **options)

    def steps(outbox: Outbox) -> AsyncGenerator[BulkResult, None]:
        return outbox.steps(action, conditions, limit=limit, **options)

    return operate_on_matching(
        settings, lambda _: action, conditions, steps, limit=limit, dry_run=dry_run, yes=yes
    )


def operate_on_matching(
    settings: Settings,
    action_of: Callable[[Outbox], Action],
    conditions: JobFilter,
    steps_of: Callable[[Outbox], AsyncGenerator[BulkResult, None]],
    *,
    limit: int | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """Take the steps on the jobs that match, if it is wanted; return the exit code.

    Raises ``click.UsageError`` where there is no terminal to ask on and ``--yes`` wasn't given.
    """
    if dry_run or not yes:

        async def count(outbox: Outbox) -> tuple[Action, int]:
            action = action_of(outbox)
            return action, await _count(outbox, action, conditions, limit)

        action, matched = settings.ask(count, COUNTING)
        if dry_run:
            return show_result(settings, action, BulkResult(matched=matched), is_dry=True)
        if not is_wanted(action, matched):
            return FAILED

    async def work(outbox: Outbox) -> tuple[Action, BulkResult, bool]:
        if yes:
            warn_of_unknown_path(outbox, conditions)
        action = action_of(outbox)
        return action, *await work_off(action, steps_of(outbox), says_how_many=yes)

    action, result, is_interrupted = settings.ask(work)
    return show_result(settings, action, result, is_interrupted=is_interrupted)


@command(jobs, name="reschedule", short_help="Change when pending jobs are due, or their priority.")
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


@command(jobs, name="copy", short_help="Enqueue new jobs like old ones, also to another backend.")
@choice_options(COPY.statuses, of_backend="--from")
@option("--backend", "Enqueue them to this one instead.", name="target", shell_complete=backend_names)
@option("--payload", "With one ID, another payload: JSON, @FILE, or - for standard input.", metavar="PAYLOAD")
@flag("--dry-run", "Only count them.")
@flag("--yes", "Don't ask.")
@act_options
@as_json
def copy(
    settings: Settings,
    *,
    target: str | None,
    payload: str | None,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    **options: Any,
) -> int:
    """Enqueue new jobs like old ones, and print their ids, or with filters how many they are.

    Each has the same backend (or --backend), path, payload, retries, timeout, record, priority and ordering
    key (there it is the last), no dedup key, and says of which job it is a copy. It is checked against the
    backend's document as every new job is.

    Name them by ID, whatever became of them; or those that have ended by filters, all of which must be met,
    or --all. With --backend these are jobs of all other backends, or of the one that --from names.
    """
    job_ids, conditions = chosen(options, limit=limit, dry_run=dry_run)
    if payload is not None and len(job_ids) != 1:
        raise click.UsageError("--payload goes with one ID")
    if job_ids:
        document = None if payload is None else read_payload(payload)
        return _copy_named(settings, job_ids, {"backend": target, "payload": document, **options})

    def steps(outbox: Outbox) -> AsyncGenerator[BulkResult, None]:
        return outbox.copy_steps(conditions, limit=limit, backend=target, **options)

    def action(outbox: Outbox) -> Action:
        return copying(outbox.backends, target)

    return operate_on_matching(settings, action, conditions, steps, limit=limit, dry_run=dry_run, yes=yes)


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
        say(complaint)
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


async def _count(outbox: Outbox, action: Action, conditions: JobFilter, limit: int | None) -> int:
    warn_of_unknown_path(outbox, conditions)
    return await outbox.count_matching(action, conditions, limit=limit)


def is_wanted(action: Action, matched: int) -> bool:
    """Ask on the terminal. Raises ``click.UsageError`` where there is none to ask on."""
    number = _number(matched)
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        problem = f"{number} would be {action.past}, and nothing was done: add --yes to do it"
        raise click.UsageError(problem)
    if not matched or click.confirm(f"{number} will be {action.past}. Go on?", err=True):
        return True
    say("nothing was done")
    return False


async def work_off(
    action: Action, steps: AsyncGenerator[BulkResult, None], *, says_how_many: bool
) -> tuple[BulkResult, bool]:
    """Operate until all is done, or until the batch's end after a signal; return whether one came."""
    with stop_signal() as stopped:
        async with aclosing(steps):
            with slow(COUNTING):
                result = await anext(steps)
            if says_how_many:
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
) -> int:
    """Print what was done, or would be; return the exit code."""
    if settings.json:
        numbers = {"matched": result.matched, "done": result.done, "refused": dict(result.refused)}
        numbers |= {"skipped": result.skipped} if action is IMPORT else {}
        dry_run = {"dry_run": True} if is_dry else {}
        show_json({**numbers, **dry_run, "interrupted": is_interrupted})
    elif is_dry:
        click.echo(f"would be {action.past}: {result.matched - result.looked_at}")
    else:
        click.echo(f"{action.past}: {result.done}")
    if result.skipped:
        say(f"there already, with the same content: {result.skipped}")
    return FAILED if show_refused(result, is_interrupted=is_interrupted) else 0


def show_refused(result: BulkResult, *, is_interrupted: bool) -> bool:
    """Say on stderr what wasn't done, and whether there is such."""
    refused = ", ".join(f"{count} {why}" for why, count in result.refused.items() if count)
    if refused:
        say(f"refused: {refused}" + (f"; the first: {result.problem}" if result.problem else ""))
    if is_interrupted:
        say(f"interrupted after {result.looked_at:,} of {result.matched:,} jobs: the others are as they were")
    return bool(refused) or is_interrupted


def _number(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
