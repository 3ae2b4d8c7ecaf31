"""Print for people and programs: JSON, tables, jobs, and the progress of long work."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from shutil import get_terminal_size
from typing import Any, TextIO, TypeVar

import attrs
import click
from rich.cells import cell_len, set_cell_size

from sp00ky_core.encoding.printable import json_line, plain
from sp00ky_core.job.job import Job, JobStatus, instant_to_json, job_to_json
from sp00ky_core.job.outcome import HTTP

Record = TypeVar("Record")


def show_json(document: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Print one JSON document."""
    click.echo(json_line(document, indent=indent))


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned lines; on a terminal in its width, see ``table_lines``."""
    cells = [[plain(cell) for cell in row] for row in rows]
    lines = _aligned([list(columns), *cells])
    if is_terminal(sys.stdout):
        lines = table_lines(columns, cells, get_terminal_size().columns)
    for line in lines:
        click.echo(line)


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def show_list(
    name: str,
    records: Sequence[Record],
    to_json: Callable[[Record], Mapping[str, Any]],
    columns: Sequence[str],
    to_row: Callable[[Record], Sequence[object]],
    *,
    json_wanted: bool,
) -> None:
    """Print records: as JSON under a name, or as aligned lines."""
    if json_wanted:
        show_json({name: [to_json(record) for record in records]})
    else:
        show_rows(columns, [to_row(record) for record in records])


async def show_page(
    name: str,
    records: AsyncIterable[Any],
    to_json: Callable[[Any], Mapping[str, Any]],
    columns: Sequence[str],
    to_row: Callable[[Any], Sequence[object]],
    *,
    limit: int,
    json_wanted: bool,
) -> None:
    """Print at most so many records as ``show_list`` does; on stderr how to go on, or that there is none.

    Each is printed as JSON when it comes, so that memory holds no list of them; or its row is kept.
    """
    shown, last, following = list[Sequence[object]](), None, None
    before, end = f'{{\n  "{name}": [', "]"
    async for record in records:
        if len(shown) == limit:
            following = last
            break
        last = record.id
        shown.append(() if json_wanted else to_row(record))
        if json_wanted:
            text = json_line(to_json(record), indent=2).replace(b"\n", b"\n    ")
            click.echo(f"{before}\n    ".encode() + text, nl=False)
            before, end = ",", "\n  ]"
    if json_wanted:
        start = "" if shown else before
        click.echo(f'{start}{end},\n  "next": '.encode() + json_line(following) + b"\n}")
        return
    show_rows(columns, shown)
    if following:
        click.echo(f"there are more: --after {following}", err=True)
    if not shown:
        click.echo("none found", err=True)  # headers alone leave open whether that is an answer


def moment(at: datetime | None) -> str:
    """Format an instant, to the second."""
    return at.strftime("%m-%d %H:%M:%S") if at else ""


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
def progress(text: Callable[[], str], above: Callable[[], Any] | None = None) -> Iterator[None]:
    """Keep a line at the foot of the terminal (stderr) while work is done; it asks for its text.

    ``above`` makes a picture for rich, which stands above it.

    Elsewhere nothing is shown: for the work of a runner, whose log says it.
    """
    if not is_terminal(sys.stderr):
        yield
        return
    from sp00ky_core.cli.screens import spinner  # noqa: PLC0415  # rich is slow to import

    with spinner(text, above):
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


COLOURS = {
    **dict.fromkeys(("success", "closed", "running"), "green"),
    **dict.fromkeys(("failed", "open", "dead"), "red"),
    **dict.fromkeys(("processing", "half_open"), "cyan"),
    **dict.fromkeys(("pending", "draining"), "yellow"),
}
"""By a cell's text."""

GAP, INDENT = 2, 4
LEAST = 40
"""Columns that the last cell of a row, mostly an error, gets in any case."""

_NUMBER = re.compile(r"[\d.,/]+( s| %)?")


@attrs.frozen
class _Column:
    index: int
    width: int
    is_number: bool

    @classmethod
    def of(cls, index: int, cells: Sequence[str]) -> _Column:
        """Measure a column; the first of its cells is the header."""
        numbers = [cell for cell in cells[1:] if cell]
        is_number = bool(numbers) and all(map(_NUMBER.fullmatch, numbers))
        return cls(index, max(map(cell_len, cells)), is_number)

    def padded(self, text: str) -> str:
        """Return a cell in the column's width, coloured where its text has a colour."""
        space = " " * (self.width - cell_len(text))
        coloured = coloured_text(text)
        return space + coloured if self.is_number else coloured + space


def coloured_text(text: str) -> str:
    """Colour a status."""
    return click.style(text, fg=COLOURS[text]) if text in COLOURS else text


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> Iterator[str]:
    """Yield a header and rows, without columns that are empty in all of them.

    Columns that don't fit stand in a second line under each row, the last one, mostly an error, first.
    """
    shown = [index for index in range(len(columns)) if not rows or any(row[index] for row in rows)]
    layout = [_Column.of(index, [columns[index], *(row[index] for row in rows)]) for index in shown]
    beside = _fitting(layout, room)
    below = layout[len(beside) :]
    for number, row in enumerate([columns, *rows]):
        line = (" " * GAP).join(column.padded(row[column.index]) for column in beside).rstrip()
        yield click.style(line, bold=True) if number == 0 else line
        under = _below([row[column.index] for column in below], room)
        if under:
            yield click.style(under, bold=number == 0, dim=number > 0)


def _fitting(columns: Sequence[_Column], room: int) -> Sequence[_Column]:
    """Return the columns from the left that fit beside each other; one at least."""
    taken, count = -GAP, 0
    for column in columns:
        taken += GAP + column.width
        if taken > room:
            break
        count += 1
    return columns[: max(count, 1)]


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
"""Characters of it in a list's row."""


def job_lines(job: Job) -> Iterator[str]:
    """Format a job, a field a line."""
    for name, value in job_to_json(job).items():
        if name != "errors" and value is not None:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            yield f"{name}: {plain(shown)}"
    if job.expires_at is not None:
        yield f"expires_at: {instant_to_json(job.expires_at)}"
    for error in job.errors:
        code = "" if not error.code else f" {error.code}" if error.scheme == HTTP else f" {error}"
        line = f"{moment(error.at)} attempt {error.attempt}: {error.name}{code}: {error.reason}"
        yield f"  {plain(line)}"


def show_job(job: Job, *, json_wanted: bool, whole: bool = True) -> None:
    """Print a job as JSON, or a field a line; where the ``whole`` isn't wanted, its id."""
    if json_wanted:
        show_json(job_to_json(job))
        return
    for line in job_lines(job) if whole else [job.id]:
        click.echo(line)


def last_error(job: Job) -> str:
    """Format what went wrong last, of a job that wasn't delivered."""
    if not job.errors or job.status is JobStatus.SUCCESS:
        return ""
    last = job.errors[-1]
    reason = last.reason if len(last.reason) <= LONGEST_REASON else f"{last.reason[:LONGEST_REASON]}..."
    return f"{last.code or last.name}: {reason}"
