"""Show jobs and numbers: JSON, a table on a terminal, aligned lines elsewhere."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from shutil import get_terminal_size
from typing import Any, TextIO, TypeVar

import click

Record = TypeVar("Record")
Command = TypeVar("Command", bound=Callable[..., Any])

as_json: Callable[[Command], Command] = click.option(
    "--json", "json_wanted", is_flag=True, help="Print JSON."
)


def show_json(document: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Print one JSON document."""
    click.echo(json_line(document, indent=indent))


def json_line(document: object, *, indent: int | None = None) -> bytes:
    """Return a JSON document, by default as one line; what a terminal would obey is escaped in it."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return _BEYOND_ASCII.sub(_printable, text).encode()


_BEYOND_ASCII = re.compile(r"[\x7f-\U0010ffff]")  # JSON escapes the control characters before it


def _printable(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned lines; on a terminal in its width, see ``table_lines``."""
    cells = [[plain(cell) for cell in row] for row in rows]
    lines = _aligned([list(columns), *cells])
    if is_terminal(sys.stdout):
        from sp00ky_core.cli.terminal.table import table_lines  # noqa: PLC0415  # parts of rich, for a terminal

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
        show_json({name: [to_json(each) for each in records], **more})
    else:
        show_rows(columns, [to_row(each) for each in records])


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


def plain(cell: object) -> str:
    """Text for a terminal: a row's content must not steer it."""
    text = "" if cell is None else str(cell)
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def one_line(text: str) -> str:
    """Return the text with every line break and run of spaces as one space."""
    return plain(" ".join(text.split()))


def draws() -> bool:
    """Whether stdout is a terminal on which something can be drawn in place."""
    return is_terminal(sys.stdout) and os.environ.get("TERM") not in {"dumb", "unknown"}


def is_terminal(stream: TextIO | None) -> bool:
    """Whether it is a terminal; a closed stream is None."""
    return stream is not None and stream.isatty()
