"""Lay rows out for a terminal: in its width, numbers to the right, statuses coloured; imported only there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs
import click
from rich.cells import cell_len, set_cell_size

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
