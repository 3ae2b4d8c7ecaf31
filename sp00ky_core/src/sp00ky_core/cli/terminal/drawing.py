"""Draw on a terminal, with rich; imported only where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

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
