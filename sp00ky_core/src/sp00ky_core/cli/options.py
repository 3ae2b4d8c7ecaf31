"""Read what commands are given: durations, instants, names, who does it and why, and which jobs are meant."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from sp00ky_core.backend.documents import load_contract
from sp00ky_core.backend.settings import value_of
from sp00ky_core.backend.validation import unknown_route
from sp00ky_core.cli.command import Command, as_json, flag, option, taking, with_options
from sp00ky_core.cli.logs import say
from sp00ky_core.config import find_config, values
from sp00ky_core.config.values import seconds_of
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.error_texts import nearest
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound, PayloadNotJson, Sp00kyError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.options import MAX_DELAY, expect
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.plugins.registry import load_config
from sp00ky_core.ports import ALL_JOBS, JobFilter
from sp00ky_health import address_of

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic in newer clicks only

__all__ = ["PAST", "act_options", "how_options", "limit_option", "page_options", "read_payload"]


class _Read(_ParamType):
    """Reads a text by a function, whose ``ValueError`` says what is wrong with it."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a text."""
        try:
            return self._read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def seconds(low: float, high: float) -> _Read:
    """Return what reads a duration, in seconds within limits."""
    read = values.seconds(low, high)
    return _Read("seconds", lambda text: read(value_of(text)))


def _workers(text: str) -> Any:
    """Read a number; ``auto`` is one worker for each CPU that this process may use."""
    return values.whole(1, 1_000)(usable_cpus() if text == "auto" else value_of(text))


def usable_cpus() -> int:
    """Count the CPUs that this process may use; all, where the system doesn't tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _duration(text: str) -> timedelta:
    """Read seconds, or a number with a unit: ``90``, ``500ms``, ``5m``, ``6h``, ``14d``."""
    try:
        seconds = seconds_of(text)
    except (OverflowError, ValueError):
        raise ValueError(f"{text!r} isn't a duration, such as 90, 5m or 6h") from None
    if not 0 <= seconds <= MAX_DELAY.total_seconds():
        raise ValueError(f"{text!r} isn't a duration from 0 to {MAX_DELAY.days} days")
    return timedelta(seconds=seconds)


def _instant(text: str, *, kind: str, direction: int) -> datetime:
    """Read ``2026-01-31T12:00:00Z``, or ``2h``: so long before or after now by this host's clock."""
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        try:
            seconds_of(text)
        except ValueError:
            either = f"{kind}, such as 2h or 3d, nor 2026-01-31T12:00:00Z"
            raise ValueError(f"{text!r} is neither {either}") from None
        return _now() + direction * _duration(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: 2026-01-31T12:00:00Z, or +01:00 for Z")
    return at


def _past(text: str) -> datetime:
    """Read an instant as ``INSTANT`` does, and refuse one that is yet to come."""
    at = _instant(text, kind="an age", direction=-1)
    if at > _now() + CLOCKS_DIFFER:
        raise ValueError(f"{text!r} is yet to come: nothing can match")
    return at


def _now() -> datetime:
    """Take one moment for all that a command is given: ``--since 1h --until 1h`` is no time at all."""
    now = datetime.now(UTC)
    context = click.get_current_context(silent=True)
    moment: datetime = now if context is None else context.meta.setdefault(__name__, now)
    return moment


def _address(text: str) -> str:
    """Check that a text is ``PORT`` or ``HOST:PORT``."""
    address_of(text)
    return text


ADDRESS = _Read("address", _address)

DURATION = _Read("duration", _duration)

INSTANT = _Read("instant", partial(_instant, kind="an age", direction=-1))
"""Reads an instant; a duration stands for the instant that was so long ago."""

PAST: _ParamType = _Read("instant", _past)
"""Reads an instant as ``PAST`` does, from which on something has happened."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far this host's clock may be behind the database's."""

LATER = _Read("instant", partial(_instant, kind="a time from now", direction=+1))
"""Reads an instant; a duration stands for the instant that is so far ahead."""

WORKERS = _Read("number", _workers)


def limit_option(default: int, text: str) -> Callable[[Command], Command]:
    """Add ``--limit`` to a command that lists."""
    return option("--limit", text, type=click.IntRange(1, 10_000), default=default)


def page_options(record: str, records: str) -> Callable[[Command], Command]:
    """Add ``--limit`` and ``--after`` to a command that lists pages."""
    after = f"The last {record} of the page before ('next' in the JSON)."
    return with_options(limit_option(50, f"{records} on a page."), option("--after", after, metavar="ID"))


def usual_actor() -> str:
    """Return who acts where no ``--actor`` is given."""
    return os.environ.get("SP00KY_ACTOR") or _login_name()


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"


act_options: Callable[[Command], Command] = with_options(
    option("--reason", "Why, for the audit.", metavar="TEXT"),
    option(
        "--actor",
        "Who does it, for the audit; by default SP00KY_ACTOR, or the login name.",
        metavar="NAME",
        envvar="SP00KY_ACTOR",
        default=_login_name,
        show_default=False,
    ),
)
"""Adds ``--reason`` and ``--actor``."""


def backend_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a backend; none where the nearest sp00ky.yml can't be read."""
    try:
        config = load_config(find_config())
    except Sp00kyError:
        return []
    return [name for name in config.backends if name.startswith(incomplete)]


def operation_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an operation of the backend that was given before."""
    try:
        config = load_config(find_config()).backends[context.params["backend"]]
        contract = load_contract(config, ref_roots=config.ref_roots)  # none without a file: nothing is run
    except (Sp00kyError, KeyError):
        return []
    return [text for text in contract.texts() if text.startswith(incomplete)]


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
    job_ids = [job_id for prefix in prefixes for job_id in await outbox.store.ids_starting_with(prefix)]
    return [job_id for job_id in job_ids if len(job_id.partition(":")[2]) >= SHORTEST_GENERATED]


def filter_options(
    statuses: Iterable[JobStatus] = JobStatus, *, created: bool = True, of_backend: str = "--backend"
) -> Callable[[Command], Command]:
    """Add an option for each condition; what is given becomes ``conditions``, a ``JobFilter``.

    Without ``created`` none says when jobs were created.
    """
    periods = {"": "Created"} if created else {}
    periods |= {"failed-": "Failed for good", "claimed-": "Being attempted, and claimed"}
    periods |= {"ended-": "Ended, whether well or not,"}
    then = "then or later: 2h (ago), 3d, an RFC 3339 instant."
    return with_options(
        taking(lambda options: options.update(conditions=conditions_of(options))),
        option(of_backend, "Only this backend's.", name="backend", shell_complete=backend_names),
        option("--status", "Only these.", type=click.Choice([status.value for status in statuses])),
        option("--path", "Only this operation's, in any spelling."),
        option("--error-name", "Only those whose last error has this name.", metavar="NAME"),
        option("--code", "Only those whose last error has this HTTP status, or 0.", type=int),
        *(
            given
            for period, what in periods.items()
            for given in (
                option(f"--{period}since", f"{what} {then}", type=PAST),
                option(f"--{period}until", f"{what} before then.", type=INSTANT),
            )
        ),
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


def conditions_of(options: dict[str, Any]) -> JobFilter:
    """Take the filters out of the options; others are left. Raises ``OptionInvalid``."""
    for name in ("runner_id", "error_name"):  # which runners write, and never empty
        expect(
            name, options.get(name), "a text that isn't empty: no job can match", met=options.get(name) != ""
        )
    return JobFilter(**{name: options.pop(name, None) for name in attrs.fields_dict(JobFilter)})


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


def choice_options(
    statuses: Iterable[JobStatus] = JobStatus, *, of_backend: str = "--backend", counts_named: bool = False
) -> Callable[[Command], Command]:
    """Add what chooses jobs: IDs, filters, ``--limit`` and ``--all``; what is given becomes a ``choice``.

    With ``counts_named`` ``--dry-run`` goes with IDs.
    """
    return with_options(
        taking(partial(_choose, counts_named=counts_named)),
        click.argument("job_ids", metavar="[ID]...", nargs=-1),
        filter_options(statuses, of_backend=of_backend),
        option("--limit", "At most so many, the newest.", type=click.IntRange(1)),
        flag("--all", "All that this can be done to.", name="is_all"),
    )


def _choose(options: dict[str, Any], *, counts_named: bool) -> None:
    """Make a choice of what is given. Raises ``click.UsageError`` where it is none, or contradicts itself."""
    is_all, names = options.pop("is_all"), attrs.fields_dict(Choice).keys() & options.keys()
    choice = Choice(**{name: options.pop(name) for name in names})
    is_filtered = choice.conditions != ALL_JOBS
    is_narrowed = is_filtered or is_all or choice.limit is not None
    if choice.job_ids and (is_narrowed or (choice.dry_run and not counts_named)):
        raise click.UsageError("filters, --limit, --all and --dry-run go without IDs")
    if is_all and is_filtered:
        raise click.UsageError("--all goes without filters")
    if not (choice.job_ids or is_narrowed):
        raise click.UsageError("nothing is chosen, and nothing was done: name IDs, filters, or --all")
    options["choice"] = choice


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


_NOT_UTF8 = "it is not UTF-8; save it as UTF-8"


def read_payload(argument: str, name: str = "PAYLOAD") -> Any:
    """Parse the JSON that an argument stands for.

    Raises:
        click.UsageError: the file can't be read.
        PayloadNotJson: it holds no JSON, or an object with a key twice.
    """
    return json_of(read_source(argument, name) if is_source(argument) else argument)


def is_source(argument: str) -> bool:
    """Tell whether an argument says where to read: @FILE, or - for standard input."""
    return argument == "-" or argument.startswith("@")


def read_source(argument: str, name: str) -> bytes:
    """Read what an argument stands for. Raises ``click.UsageError``, which names the option."""
    try:
        return sys.stdin.buffer.read() if argument == "-" else Path(argument[1:]).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{name} {argument}: {error.strerror}") from error


def text_of(content: bytes) -> str:
    """Decode a payload's text. Raises ``PayloadNotJson``."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise PayloadNotJson(problem=_NOT_UTF8) from error


def json_of(content: bytes | str) -> Any:
    """Parse a payload's JSON. Raises ``PayloadNotJson``."""
    try:
        return decode(content, unique_keys=True)
    except UnicodeDecodeError as error:
        raise PayloadNotJson(problem=_NOT_UTF8) from error
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
