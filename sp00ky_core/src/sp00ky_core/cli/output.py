"""Print for people and programs: JSON, tables, jobs, and the progress of long work."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from shutil import get_terminal_size
from typing import Any, TextIO, TypeVar

import click
from rich.cells import cell_len, set_cell_size

from sp00ky_core.encoding.escaping import json_line, plain
from sp00ky_core.job.job import Job, JobStatus, attempt_times, instant_to_json, job_to_json
from sp00ky_core.job.outcome import HTTP

__all__ = ["aligned", "moment", "show", "show_list", "is_terminal"]

Record = TypeVar("Record")


def json_wanted() -> bool:
    """Tell whether the command that runs was asked for JSON, as its ``Settings`` say."""
    settings = click.get_current_context().obj
    return settings is not None and settings.json


def show_json(document: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Print one JSON document."""
    click.echo(json_line(document, indent=indent))


def show(document: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Print what a command found: the document where JSON is wanted, else the lines."""
    if json_wanted():
        show_json(document)
        return
    for line in lines:
        click.echo(line)


def aligned(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield aligned lines under a header; on a terminal in its width, see ``table_lines``."""
    lines = [list(columns), *([plain(cell) for cell in row] for row in rows)]
    if is_terminal(sys.stdout):
        yield from table_lines(lines, get_terminal_size().columns)
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(map(str.ljust, line, widths)).rstrip()


def show_list(
    name: str,
    records: Sequence[Record],
    to_json: Callable[[Record], Mapping[str, Any]],
    columns: Sequence[str],
    to_row: Callable[[Record], Sequence[object]],
) -> None:
    """Print records: as JSON under a name, or as aligned lines."""
    show({name: [*map(to_json, records)]}, aligned(columns, map(to_row, records)))


async def show_page(
    name: str,
    records: AsyncIterable[Any],
    to_json: Callable[[Any], Mapping[str, Any]],
    columns: Sequence[str],
    to_row: Callable[[Any], Sequence[object]],
    *,
    limit: int,
) -> None:
    """Print at most so many records as ``show_list`` does; on stderr how to go on, or that there is none.

    Each is printed as JSON when it comes, so that memory holds no list of them; or its row is kept.
    """
    as_json, shown, last, following = json_wanted(), list[Sequence[object]](), None, None
    before, end = f'{{\n  "{name}": [', "]"
    async for record in records:
        if len(shown) == limit:
            following = last
            break
        last = record.id
        shown.append(() if as_json else to_row(record))
        if as_json:
            text = json_line(to_json(record), indent=2).replace(b"\n", b"\n    ")
            click.echo(f"{before}\n    ".encode() + text, nl=False)
            before, end = ",", "\n  ]"
    if as_json:
        start = "" if shown else before
        click.echo(f'{start}{end},\n  "next": '.encode() + json_line(following) + b"\n}")
        return
    click.echo("\n".join(aligned(columns, shown)))
    if following:
        click.echo(f"there are more: --after {following}", err=True)
    if not shown:
        click.echo("none found", err=True)  # headers alone leave open whether that is an answer


def moment(at: datetime | None) -> str:
    """Format an instant, to the second."""
    return at.strftime("%m-%d %H:%M:%S") if at else ""


UNITS = ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "m"), (10, 1, "s"))
"""The units of durations: from how many seconds on one is used, how many seconds it has, and its name."""


def span(seconds: float | None) -> str:
    """Format a duration, no finer than a person wants to know it; nothing for None."""
    if seconds is None:
        return ""
    for least, one, unit in UNITS:
        if seconds >= least:
            return f"{seconds / one:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


COLOURS = {
    **dict.fromkeys(("success", "closed", "running"), "green"),
    **dict.fromkeys(("failed", "open", "dead"), "red"),
    **dict.fromkeys(("processing", "half_open"), "cyan"),
    **dict.fromkeys(("pending", "draining"), "yellow"),
}
"""The colour of a cell, by the cell's text."""

GAP, INDENT = 2, 4
LEAST = 40
"""Columns that the last cell of a row, mostly an error, gets in any case."""

_NUMBER = re.compile(r"[\d.,/]+( (ms|s|m|h|d|%))?")


def coloured_text(text: str) -> str:
    """Colour a status."""
    return click.style(text, fg=COLOURS[text]) if text in COLOURS else text


def table_lines(lines: Sequence[Sequence[str]], room: int) -> Iterator[str]:
    """Yield a header and rows, without columns that are empty in all of them.

    Columns that don't fit stand in a second line under each row, the last one, mostly an error, first.
    """
    shown = [column for column in zip(*lines, strict=True) if any(column[1:]) or not column[1:]]
    beside = [*map(_padded, shown)]
    while len(beside) > 1 and GAP * (len(beside) - 1) + sum(width for width, _ in beside) > room:
        del beside[-1]
    for number in range(len(lines)):
        line = (" " * GAP).join(cells[number] for _, cells in beside).rstrip()
        yield click.style(line, bold=True) if number == 0 else line
        under = _below([column[number] for column in shown[len(beside) :]], room)
        if under:
            yield click.style(under, bold=number == 0, dim=number > 0)


def _padded(column: Sequence[str]) -> tuple[int, list[str]]:
    """Return a column's width, and its cells in that, coloured where a text has a colour; numbers right."""
    width, numbers = max(map(cell_len, column)), [*filter(None, column[1:])]
    is_number = bool(numbers) and all(map(_NUMBER.fullmatch, numbers))
    padded = ((coloured_text(text), " " * (width - cell_len(text))) for text in column)
    return width, [space + text if is_number else text + space for text, space in padded]


def _below(cells: Sequence[str], room: int) -> str:
    if not any(cells):
        return ""
    *others, last = cells
    rest = (" " * GAP).join(filter(None, others))
    space = room - INDENT - (cell_len(rest) + GAP if rest else 0)
    parts = filter(None, (cut(last, max(space, LEAST)), rest))
    return cut(" " * INDENT + (" " * GAP).join(parts), room)


def cut(text: str, width: int) -> str:
    """Cut a text at a width, and show that it was."""
    return text if cell_len(text) <= width else f"{set_cell_size(text, max(width - 1, 0))}…"


LONGEST_REASON = 60
"""Characters that a list's row shows of an error's reason."""


def job_lines(job: Job) -> Iterator[str]:
    """Format a job, a field a line."""
    for name, value in job_to_json(job).items():
        if name != "errors" and value is not None:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            yield f"{name}: {plain(shown)}"
    if job.expires_at is not None:
        yield f"expires_at: {instant_to_json(job.expires_at)}"
    times = iter(attempt_times(job))
    for error in job.errors:
        code = "" if not error.code else f" {error.code}" if error.scheme == HTTP else f" {error.summary}"
        said = _times(*next(times))
        line = f"{moment(error.at)} attempt {error.attempt}: {error.name}{code}: {error.reason}{said}"
        yield f"  {plain(line)}"
        yield from (f"    {plain(line)}" for line in error.trace.splitlines())
    for waited, took in times:
        yield f"  {moment(job.updated_at)} attempt {job.retries + 1}: delivered{_times(waited, took)}"


def _times(waited: timedelta | None, took: timedelta | None) -> str:
    """Write how long an attempt waited and took, as far as it is known."""
    parts = {"waited": waited, "took": took}
    said = ", ".join(f"{name} {of.total_seconds():.3g} s" for name, of in parts.items() if of is not None)
    return f" ({said})" if said else ""


def show_job(job: Job, *, whole: bool = True) -> None:
    """Print a job as JSON, or a field a line; where the ``whole`` isn't wanted, its id."""
    show(job_to_json(job), job_lines(job) if whole else [job.id])


def last_error(job: Job) -> str:
    """Format what went wrong last, of a job that wasn't delivered."""
    if not job.errors or job.status is JobStatus.SUCCESS:
        return ""
    last = job.errors[-1]
    reason = last.reason if len(last.reason) <= LONGEST_REASON else f"{last.reason[:LONGEST_REASON]}..."
    return f"{last.code or last.name}: {reason}"


def draws() -> bool:
    """Tell whether stdout is a terminal on which something can be drawn in place."""
    return is_terminal(sys.stdout) and os.environ.get("TERM") not in {"dumb", "unknown"}


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal; a closed one is None."""
    return stream is not None and stream.isatty()


LINE_EVERY = 10_000
"""Jobs between two plain lines."""

QUICK = 1.0
"""Seconds that a command may be at it without a word."""


@contextmanager
def progress(text: Callable[[], str]) -> Iterator[None]:
    """Keep a line at the foot of the terminal (stderr) while work is done; it asks for its text.

    Elsewhere nothing is shown: for the work of a runner, whose log says it.
    """
    if not is_terminal(sys.stderr):
        yield
        return
    from rich.console import Console  # noqa: PLC0415  # slow to import, as what follows
    from rich.live import Live  # noqa: PLC0415
    from rich.spinner import Spinner  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    dots = Spinner("dots")

    def foot() -> Spinner:
        dots.update(text=Text(text()))
        return dots

    with Live(console=Console(stderr=True), get_renderable=foot, refresh_per_second=8, transient=True):
        yield


@contextmanager
def counted() -> Iterator[Callable[[str, int], None]]:
    """Give what is called with a text, and how many jobs it is of; elsewhere a line for each 10,000."""
    shown, said = "", 0

    def show(text: str, count: int) -> None:
        nonlocal shown, said
        shown = text
        if count >= said + LINE_EVERY and not is_terminal(sys.stderr):
            said = count
            click.echo(text, err=True)

    with progress(lambda: shown):
        yield show


@contextmanager
def slow(text: str) -> Iterator[None]:
    """Show, after a second, what takes so long: a line at the foot of the terminal, elsewhere a plain one.

    For one call of a coroutine that doesn't say how far it is.
    """
    with ExitStack() as shown:

        def show() -> None:
            if is_terminal(sys.stderr):
                shown.enter_context(progress(lambda: text))
            else:
                click.echo(f"{text} ...", err=True)

        timer = asyncio.get_running_loop().call_later(QUICK, show)
        try:
            yield
        finally:
            timer.cancel()
