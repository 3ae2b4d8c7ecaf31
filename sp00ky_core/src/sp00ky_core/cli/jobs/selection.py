"""Choose jobs on the command line: by their ids, which may be shortened, by filters, or all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import attrs
import click

from sp00ky_core.backend.validation import unknown_route
from sp00ky_core.cli.options import INSTANT, act_options, as_json, backend_names, flag, option, with_options
from sp00ky_core.cli.output import say
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.hints import nearest
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import JobFilter, ShortIds, has

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

_FIELDS = tuple(field.name for field in attrs.fields(JobFilter))


def filter_options(statuses: Iterable[JobStatus] = JobStatus) -> Callable[[Command], Command]:
    """Add an option for each condition; their values are what ``conditions_of`` takes."""
    return with_options(
        option("--backend", "Only this backend's.", shell_complete=backend_names),
        option("--status", "Only these.", type=click.Choice([status.value for status in statuses])),
        option("--path", "Only this operation's, in any spelling."),
        option("--error-name", "Only those whose last error has this name.", metavar="NAME"),
        option("--code", "Only those whose last error has this HTTP status, or 0.", type=int),
        option("--since", "Created then or later: 2h (ago), 3d, an RFC 3339 instant.", type=INSTANT),
        option("--until", "Created before then.", type=INSTANT),
        option("--assigned-to", "Only this record's.", metavar="RECORD"),
        option("--ordering-key", "Only those with this key.", metavar="KEY"),
        option("--runner", "Only those that this runner has.", name="runner_id", metavar="ID"),
    )


def conditions_of(options: Mapping[str, Any]) -> JobFilter:
    """Make a filter of the options. Raises ``OptionInvalid``."""
    return JobFilter(**{name: options[name] for name in _FIELDS})


def warn_of_unknown_path(outbox: Outbox, conditions: JobFilter) -> None:
    """Say that no document has the operation that is asked for, where that is so: it may be misspelt."""
    meant = [
        each
        for name, each in outbox.backends.items()
        if conditions.backend in {None, name} and each.contract.is_read
    ]
    if not meant:
        return  # an application isn't run to look at its jobs
    for path in conditions.paths or ():
        if not any(backend.contract.operation(path) for backend in meant):
            errors = [unknown_route(backend, path) for backend in meant]
            known = {text for error in errors for text in error.known}
            hint = next((error.reason for error in errors if error.reason), nearest(path, known))
            say(f"warning: no document has an operation {path!r} that can be called; {hint}")


def choice_options(statuses: Iterable[JobStatus] = JobStatus) -> Callable[[Command], Command]:
    """Add what chooses jobs: IDs, filters, ``--limit`` and ``--all``."""
    return with_options(
        click.argument("job_ids", metavar="[ID]...", nargs=-1),
        filter_options(statuses),
        option("--limit", "At most so many, the newest.", type=click.IntRange(1)),
        flag("--all", "All that this can be done to.", name="is_all"),
    )


def selection_options(statuses: Iterable[JobStatus]) -> Callable[[Command], Command]:
    """Add what ``jobs kill``, ``retry`` and ``clear`` have in common, for jobs of these statuses."""
    return with_options(
        choice_options(statuses),
        flag("--dry-run", "Only count them."),
        flag("--yes", "Don't ask."),
        act_options,
        as_json,
    )


@attrs.frozen(kw_only=True)
class Selection:
    """Carry what was chosen, and whether it is only counted, or asked about.

    Attributes:
        job_ids: The ids that were named; without any, ``conditions`` and ``limit`` count.
        conditions: The filters; none of them with ``--all``.
        limit: At most so many jobs; None: all.
        dry_run: Only count.
        yes: Don't ask.
    """

    job_ids: tuple[str, ...]
    conditions: JobFilter
    limit: int | None
    dry_run: bool
    yes: bool

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Selection:
        """Take what chooses jobs out of the options; others are left.

        Raises ``click.UsageError`` where they choose nothing, or contradict.
        """
        conditions = conditions_of({name: options.pop(name) for name in _FIELDS})
        job_ids, limit, is_all = (options.pop(name) for name in ("job_ids", "limit", "is_all"))
        dry_run, yes = options.pop("dry_run", False), options.pop("yes", False)
        is_filtered = conditions != JobFilter()
        problem = None
        if job_ids and (is_filtered or is_all or limit is not None or dry_run):
            problem = "filters, --limit, --all and --dry-run go without IDs"
        elif is_all and is_filtered:
            problem = "--all goes without filters"
        elif not (job_ids or is_all or is_filtered or limit is not None):
            problem = "nothing is chosen, and nothing was done: name IDs, filters, or --all"
        if problem:
            raise click.UsageError(problem)
        return cls(job_ids=job_ids, conditions=conditions, limit=limit, dry_run=dry_run, yes=yes)
