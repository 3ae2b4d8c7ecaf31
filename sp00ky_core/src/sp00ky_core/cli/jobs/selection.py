"""Choose jobs on the command line: by their ids, by filters, or all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import attrs
import click

from sp00ky_core.cli.arguments import INSTANT, act_options, backend_names
from sp00ky_core.cli.context import with_options
from sp00ky_core.cli.errors import say
from sp00ky_core.cli.terminal.output import as_json
from sp00ky_core.contract.validation import unknown_route
from sp00ky_core.hints import nearest
from sp00ky_core.job import JobStatus
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import JobFilter

Command = TypeVar("Command", bound=Callable[..., Any])

_FIELDS = tuple(field.name for field in attrs.fields(JobFilter))


def filter_options(statuses: Iterable[JobStatus] = JobStatus) -> Callable[[Command], Command]:
    """Add an option for each condition; their values are what ``conditions_of`` takes."""
    return with_options(
        click.option("--backend", shell_complete=backend_names, help="Only this backend's."),
        click.option("--status", type=click.Choice([each.value for each in statuses]), help="Only these."),
        click.option("--path", help="Only this operation's, in any spelling."),
        click.option("--error-name", metavar="NAME", help="Only those whose last error has this name."),
        click.option("--code", type=int, help="Only those whose last error has this HTTP status, or 0."),
        click.option(
            "--since", type=INSTANT, help="Created then or later: 2h (ago), 3d, an RFC 3339 instant."
        ),
        click.option("--until", type=INSTANT, help="Created before then."),
        click.option("--assigned-to", metavar="RECORD", help="Only this record's."),
        click.option("--ordering-key", metavar="KEY", help="Only those with this key."),
        click.option("--runner", "runner_id", metavar="ID", help="Only those that this runner has."),
    )


def conditions_of(options: Mapping[str, Any]) -> JobFilter:
    """Make a filter of the options. Raises ``OptionInvalid``."""
    return JobFilter(**{name: options[name] for name in _FIELDS})


def warn_of_unknown_path(outbox: Outbox, conditions: JobFilter) -> None:
    """Say so where no document has the operation that is asked for: it may be misspelt."""
    meant = [each for name, each in outbox.backends.items() if conditions.backend in {None, name}]
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
        click.option("--limit", type=click.IntRange(1), help="At most so many, the newest."),
        click.option("--all", "every", is_flag=True, help="All that this can be done to."),
    )


def selection_options(statuses: Iterable[JobStatus]) -> Callable[[Command], Command]:
    """Add what ``jobs kill``, ``retry`` and ``clear`` have in common, for jobs of these statuses."""
    return with_options(
        choice_options(statuses),
        click.option("--dry-run", is_flag=True, help="Only count them."),
        click.option("--yes", is_flag=True, help="Don't ask."),
        act_options,
        as_json,
    )


@attrs.frozen(kw_only=True)
class Selection:
    """Carry what was chosen, and how it is to be done.

    Attributes:
        job_ids: The ids that were named; without any, ``conditions`` and ``limit`` count.
        conditions: The filters; none of them with ``--all``.
        limit: At most so many jobs; None: all.
        dry_run: Only count.
        yes: Don't ask.
        json_wanted: Print JSON.
        act: ``reason`` and ``actor``, for the audit.
    """

    job_ids: tuple[str, ...]
    conditions: JobFilter
    limit: int | None
    dry_run: bool
    yes: bool
    json_wanted: bool
    act: Mapping[str, str | None] = attrs.field(factory=dict)

    @classmethod
    def of(cls, context: click.Context, options: Mapping[str, Any]) -> Selection:
        """Read the options. Raises ``click.UsageError`` where they choose nothing, or contradict."""
        conditions = conditions_of(options)
        job_ids, limit, every = options["job_ids"], options["limit"], options["every"]
        is_filtered = conditions != JobFilter()
        problem = None
        dry_run = options.get("dry_run", False)
        if job_ids and (is_filtered or every or limit is not None or dry_run):
            problem = "filters, --limit, --all and --dry-run go without IDs"
        elif every and is_filtered:
            problem = "--all goes without filters"
        elif not (job_ids or every or is_filtered or limit is not None):
            problem = "nothing is chosen, and nothing was done: name IDs, filters, or --all"
        if problem:
            raise click.UsageError(problem, context)
        return cls(
            job_ids=job_ids,
            conditions=conditions,
            limit=limit,
            dry_run=dry_run,
            yes=options.get("yes", False),
            json_wanted=options.get("json_wanted", False),
            act={name: options[name] for name in ("reason", "actor") if name in options},
        )
