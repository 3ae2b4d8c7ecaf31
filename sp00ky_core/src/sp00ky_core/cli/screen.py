"""Draw on a terminal with rich: screens until a signal, a line at its foot; imported only where one is."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from sp00ky_core.cli.output import plain
from sp00ky_core.cli.signals import stop_signal, unless_stopped
from sp00ky_core.cli.table import COLOURS, GAP

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
    cells = [[cell(value) for value in row] for row in rows]
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


Picture = Callable[[], RenderableType]


@contextmanager
def spinner(text: Callable[[], str], above: Picture | None = None) -> Iterator[None]:
    """Draw a line at the foot of stderr that asks for its text, and perhaps a picture above it."""
    dots = Spinner("dots")

    def foot() -> RenderableType:
        dots.update(text=Text(text()))
        return dots if above is None else Group(above(), dots)

    with Live(console=Console(stderr=True), get_renderable=foot, refresh_per_second=8, transient=True):
        yield


WINDOW = 10.0
"""Seconds that a rate is of."""

GRAIN = 0.25
"""Seconds between two samples that are kept."""


class Meter:
    """Counts events, and turns counts into a rate.

    Args:
        clock: Seconds, monotonic.

    Attributes:
        total: What was counted so far.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.total: int = 0
        self._samples = deque([(clock(), 0)])

    def add(self, count: int = 1) -> None:
        """Count something that has just happened."""
        self.reach(self.total + count)

    def reach(self, total: int) -> None:
        """Take over a count that is kept elsewhere; one that has fallen begins anew."""
        now = self._clock()
        if total < self.total:
            self._samples.clear()
        self.total = total
        if not self._samples or now - self._samples[-1][0] >= GRAIN:
            self._samples.append((now, total))

    def start(self, total: int) -> None:
        """Begin with a count that isn't news."""
        self.total = total
        self._samples = deque([(self._clock(), total)])

    def per_second(self) -> float:
        """Return the rate."""
        now = self._clock()
        while len(self._samples) > 1 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        return (self.total - before) / (now - since) if now - since >= GRAIN else 0.0
