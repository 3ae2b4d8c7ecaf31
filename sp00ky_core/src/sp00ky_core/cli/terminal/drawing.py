"""Draw on a terminal, with rich; imported only where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text


@contextmanager
def spinner(text: Callable[[], str]) -> Iterator[None]:
    """Draw a line at the foot of stderr that asks for its text."""
    dots = Spinner("dots")

    def line() -> Spinner:
        dots.update(text=Text(text()))
        return dots

    with Live(console=Console(stderr=True), get_renderable=line, refresh_per_second=8, transient=True):
        yield
