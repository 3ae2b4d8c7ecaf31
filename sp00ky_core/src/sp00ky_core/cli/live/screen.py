"""Draw a screen with rich, in place, until a signal; imported only where there is a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sp00ky_core.cli.run.signals import stop_signal, unless_stopped
from sp00ky_core.cli.terminal.output import plain
from sp00ky_core.cli.terminal.table import COLOURS, GAP

SHORTEST_NAME = 4

REFRESH = 0.25
"""Seconds between two pictures."""

Draw = Callable[[int, int], RenderableType]
"""Draws a picture of so many columns and lines at most."""


async def shown_until_stopped(draw: Draw, work: Coroutine[Any, Any, None]) -> None:
    """Show pictures while the work goes on, which is ended by a signal; the last picture stays.

    Raises:
        KeyboardInterrupt: the signal came; the terminal is as it was.
    """
    console = Console(highlight=False)
    with (
        stop_signal() as stopped,
        Live(console=console, auto_refresh=False, vertical_overflow="crop") as live,
    ):

        def show() -> None:
            live.update(draw(console.width, console.height - 1), refresh=True)  # the cursor's line is last

        drawing = asyncio.create_task(_repeat(show))
        try:
            await unless_stopped(stopped, work)
            show()
        finally:
            drawing.cancel()
    if stopped.is_set():
        raise KeyboardInterrupt


async def _repeat(show: Callable[[], None]) -> None:
    while True:
        show()
        await asyncio.sleep(REFRESH)


def grid(columns: Sequence[str], rows: Sequence[Sequence[object]], width: int, *, names: int = 1) -> Table:
    """Lay rows out in a width, under bold headers: first columns of names, then numbers, to the right.

    Names are cut where there is too little room, numbers never.
    """
    cells = [[cell(each) for each in row] for row in rows]
    widths = [
        max([cell_len(column), *(row[n].cell_len for row in cells)]) for n, column in enumerate(columns)
    ]
    taken = sum(widths[names:]) + GAP * (len(columns) - 1)
    room = max((width - taken) // max(names, 1), SHORTEST_NAME)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        is_name = index < names
        fixed = min(widths[index], room) if is_name else widths[index]
        justify: JustifyMethod = "left" if is_name else "right"
        table.add_column(column, justify=justify, no_wrap=True, overflow="ellipsis", width=fixed)
    for row in cells:
        table.add_row(*row)
    return table


def cell(value: object) -> Text:
    """Format a value: statuses in colour, whole numbers with separators, rates with one digit."""
    if isinstance(value, Text):
        return value
    if isinstance(value, float):
        return Text(f"{value:,.1f}")
    if isinstance(value, int):
        return Text(f"{value:,}")
    text = plain(value)
    return Text(text, style=COLOURS.get(text, ""))


def count(value: float, style: str) -> Text:
    """Format a number that is coloured unless it is zero."""
    text = cell(value)
    text.style = style if value else "dim"
    return text


def titled(title: str, part: RenderableType | None = None) -> Group:
    """Put a line above a part of a screen."""
    return Group(Text(plain(title), style="bold"), *([] if part is None else [part]))


def stacked(*parts: RenderableType | None) -> Group:
    """Put parts below each other, an empty line between them."""
    lines: list[RenderableType] = []
    for part in parts:
        if part is not None:
            lines += [Text(""), part] if lines else [part]
    return Group(*lines)
