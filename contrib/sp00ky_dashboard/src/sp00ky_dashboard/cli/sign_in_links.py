"""Print addresses to sign in at with a one-time code; another at Enter or a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from sp00ky_dashboard.access.authentication import CODE_SECONDS, SIGN_IN, CodeAuth

ATTENTION = 1.0
"""Seconds until a process in the background looks again whether the terminal is its own."""


@contextmanager
def printed_codes(auth: CodeAuth, url: str) -> Iterator[None]:
    """Print an address to sign in at, and another each time that Enter is pressed or SIGUSR1 comes."""
    terminal = _terminal()
    how = f"kill -USR1 {os.getpid()} prints another"
    if terminal is not None:
        how = "press Enter for another"

    def print_one() -> None:
        target = f"{url.rstrip('/')}{SIGN_IN}?code={auth.new_code()}"
        click.echo(f"sign in at {target} (once, within {CODE_SECONDS // 60} min; {how})")

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, print_one)  # before its line is printed
    entered = None if terminal is None else _Entered(terminal, print_one)
    try:
        print_one()
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        if entered is not None:
            entered.close()


def _terminal() -> int | None:
    """Return the terminal that is typed into; None: there is none."""
    try:
        return sys.stdin.fileno() if sys.stdin.isatty() else None
    except (AttributeError, ValueError):  # closed, or never there
        return None


class _Entered:
    """Calls something whenever Enter is pressed in a terminal, while this process is in its foreground."""

    def __init__(self, terminal: int, call: Callable[[], None]) -> None:
        self._terminal, self._call = terminal, call
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Leave the terminal alone."""
        self._loop.remove_reader(self._terminal)
        if self._again is not None:
            self._again.cancel()

    def _listen(self) -> None:
        self._loop.add_reader(self._terminal, self._read)

    def _read(self) -> None:
        try:
            is_ours = os.tcgetpgrp(self._terminal) == os.getpgrp()
            typed = os.read(self._terminal, 4_096) if is_ours else b""
        except OSError:  # the terminal is gone
            self.close()
            return
        if typed:
            self._call()
        else:  # another program's; to read would stop this one
            self.close()
            self._again = self._loop.call_later(ATTENTION, self._listen)
