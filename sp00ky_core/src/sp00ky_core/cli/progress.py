"""Show on a terminal what takes long: a line at its foot, elsewhere plain lines."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

import click


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
def progress(text: Callable[[], str]) -> Iterator[None]:
    """Keep a line at the foot of the terminal (stderr) while work is done; it asks for its text.

    Elsewhere nothing is shown: for the work of a runner, whose log says it.
    """
    if not is_terminal(sys.stderr):
        yield
        return
    from rich.console import Console  # noqa: PLC0415  # slow to import, as what follows
    from rich.live import Live  # noqa: PLC0415
    from rich.spinner import Spinner  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    dots = Spinner("dots")

    def foot() -> Spinner:
        dots.update(text=Text(text()))
        return dots

    with Live(console=Console(stderr=True), get_renderable=foot, refresh_per_second=8, transient=True):
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
