"""Choose jobs on the command line: by their ids, which may be shortened, by filters, or all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
import click

from sp00ky_core.backend.validation import unknown_route
from sp00ky_core.cli.logs import say
from sp00ky_core.cli.options import INSTANT, PAST, act_options, backend_names
from sp00ky_core.cli.settings import Command, as_json, flag, option, with_options
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.hints import nearest
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import ALL_JOBS, JobFilter, ShortIds, has

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


async def beginning_with(outbox: Outbox, given: str) -> list[str]:
    """List ids that begin so, at most two of each table, which may be left out."""
    key = given.partition(":")[2] if ":" in given else given
    if not 0 < len(key) <= LONGEST_SHORT:
        return []
    tables = dict.fromkeys(backend.table.table for backend in outbox.backends.values())
    prefixes = [given] if ":" in given else [f"{table}:{given}" for table in tables]
    store = has(outbox.store, ShortIds)
    job_ids = [job_id for prefix in prefixes if store for job_id in await store.ids_starting_with(prefix)]
    return [job_id for job_id in job_ids if len(job_id.partition(":")[2]) >= SHORTEST_GENERATED]


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
        option("--dedup-key", "Only those with this key.", metavar="KEY"),
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
    yield option(f"--{period}since", text, type=PAST)
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


how_options: Callable[[Command], Command] = with_options(
    flag("--dry-run", "Only count them."), flag("--yes", "Don't ask."), act_options, as_json
)
"""Adds what all that operates on many jobs takes."""


@attrs.frozen(kw_only=True)
class Choice:
    """Carries which jobs are meant, and whether to ask first.

    Attributes:
        job_ids: Those that are named; or
        conditions: what they meet; and
        limit: at most so many, the newest.
        dry_run: Only count them.
        yes: Don't ask.
    """

    job_ids: tuple[str, ...] = ()
    conditions: JobFilter = ALL_JOBS
    limit: int | None = None
    dry_run: bool = False
    yes: bool = False


def chosen(options: dict[str, Any], *, counts_named: bool = False) -> Choice:
    """Take the choice of jobs out of the options; others are left.

    Args:
        options: What ``choice_options`` and ``how_options`` add, and others.
        counts_named: Whether ``--dry-run`` goes with IDs.

    Raises:
        click.UsageError: they choose nothing, or contradict.
        OptionInvalid: no job can meet a filter.
    """
    is_all = options.pop("is_all")
    names = ("job_ids", "limit", "dry_run", "yes")
    given = {name: options.pop(name) for name in names if name in options}
    choice = Choice(conditions=conditions_of(options), **given)
    is_filtered = choice.conditions != ALL_JOBS
    is_narrowed = is_filtered or is_all or choice.limit is not None
    if choice.job_ids and (is_narrowed or (choice.dry_run and not counts_named)):
        raise click.UsageError("filters, --limit, --all and --dry-run go without IDs")
    if is_all and is_filtered:
        raise click.UsageError("--all goes without filters")
    if not (choice.job_ids or is_narrowed):
        raise click.UsageError("nothing is chosen, and nothing was done: name IDs, filters, or --all")
    return choice


def warn_of_unknown(outbox: Outbox, conditions: JobFilter) -> None:
    """Warn of an operation that no document has: it may be misspelt. Raises as ``Backends.meant``."""
    meant = [backend for backend in outbox.backends.meant(conditions) if backend.contract.is_read]
    if not meant:
        return  # an application isn't run to look at its jobs
    for path in conditions.paths or ():
        if not any(backend.contract.operation(path) for backend in meant):
            errors = [unknown_route(backend, path) for backend in meant]
            known = {text for error in errors for text in error.known}
            hint = next((error.reason for error in errors if error.reason), nearest(path, known))
            say(f"warning: no document has an operation {path!r} that can be called; {hint}")
