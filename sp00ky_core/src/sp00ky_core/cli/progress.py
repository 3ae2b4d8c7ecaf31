"""Progress of long work on a terminal; elsewhere nothing, for the log's lines say it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sp00ky_core.cli.output import is_terminal

__all__ = ["progress"]


@contextmanager
def progress(text: Callable[[], str]) -> Iterator[None]:
    """Keep a line at the foot of the terminal (stderr) while the work is done; it asks for its text."""
    if not is_terminal(sys.stderr):
        yield
        return
    from sp00ky_core.cli.drawing import spinner  # noqa: PLC0415  # rich is slow to import

    with spinner(text):
        yield
