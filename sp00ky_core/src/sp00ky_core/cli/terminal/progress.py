"""Show the progress of long work: a line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from sp00ky_core.cli.terminal.output import is_terminal

LINE_EVERY = 10_000
"""Jobs between two plain lines."""

QUICK = 1.0
"""Seconds that a command may be at it without a word."""


@contextmanager
def progress(text: Callable[[], str], above: Callable[[], Any] | None = None) -> Iterator[None]:
    """Keep a line at the foot of the terminal (stderr) while the work is done; it asks for its text.

    ``above`` makes a picture for rich, which stands above it.

    Elsewhere nothing is shown: for the work of a runner, whose log says it.
    """
    if not is_terminal(sys.stderr):
        yield
        return
    from sp00ky_core.cli.terminal.drawing import spinner  # noqa: PLC0415  # rich is slow to import

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
