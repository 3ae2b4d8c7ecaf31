"""What is drawn on a terminal, by rich; imported only where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

__all__ = ["print_table", "spinner"]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))  # as it is: no markup
    Console().print(table)


@contextmanager
def spinner(text: Callable[[], str]) -> Iterator[None]:
    """A line at the foot of stderr that asks for its text."""
    dots = Spinner("dots")

    def line() -> Spinner:
        dots.update(text=Text(text()))
        return dots

    with Live(console=Console(stderr=True), get_renderable=line, refresh_per_second=8, transient=True):
        yield
