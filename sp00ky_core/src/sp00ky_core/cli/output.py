"""Print for people and programs: JSON, tables, complaints on stderr, and the progress of long work."""

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

import click

Record = TypeVar("Record")


def say(text: str) -> None:
    """Print one line on stderr."""
    click.echo(f"sp00ky: {one_line(text)}", err=True)


def show_json(document: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Print one JSON document."""
    click.echo(json_line(document, indent=indent))


def json_line(document: object, *, indent: int | None = None) -> bytes:
    """Return a JSON document, by default as one line; what a terminal would obey is escaped in it."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return _BEYOND_ASCII.sub(_printable, text).encode()


_BEYOND_ASCII = re.compile(r"[\x7f-\U0010ffff]")  # JSON escapes the control characters before it


def _printable(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned lines; on a terminal in its width, see ``table_lines``."""
    cells = [[plain(cell) for cell in row] for row in rows]
    lines = _aligned([list(columns), *cells])
    if is_terminal(sys.stdout):
        from sp00ky_core.cli.table import table_lines  # noqa: PLC0415  # parts of rich, for a terminal

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
    **more: object,
) -> None:
    """Print records: as JSON under a name, with ``more`` beside them, or as aligned lines."""
    if json_wanted:
        show_json({name: [to_json(record) for record in records], **more})
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


def plain(cell: object) -> str:
    """Return a cell's text for a terminal: a row's content must not steer it."""
    text = "" if cell is None else str(cell)
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def one_line(text: str) -> str:
    """Return the text with every line break and run of spaces as one space."""
    return plain(" ".join(text.split()))


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
    from sp00ky_core.cli.screen import spinner  # noqa: PLC0415  # rich is slow to import

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
