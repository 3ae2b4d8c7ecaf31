"""Progress of long work on a terminal; elsewhere nothing, for the log's lines say it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from sp00ky_core.cli.output import is_terminal

__all__ = ["progress"]


@contextmanager
def progress(text: Callable[[], str]) -> Iterator[None]:
    """Keep a line at the foot of the terminal (stderr) while the work is done; it asks for its text."""
    if not is_terminal(sys.stderr):
        yield
        return
    spinner = Spinner("dots")

    def line() -> Spinner:
        spinner.update(text=Text(text()))
        return spinner

    with Live(console=Console(stderr=True), get_renderable=line, refresh_per_second=8, transient=True):
        yield
