"""Stop a command at a signal: the first one drains, a second one ends it at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["stop_signal"]

GRACE = 25.0
"""Seconds that attempts in flight get to end."""

AGAIN = "a second SIGTERM or SIGINT exits at once"
"""What a command that drains says of another signal."""

Result = TypeVar("Result")


@contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """Give an event that the first signal sets; a second SIGTERM or SIGINT ends the process."""
    stopped = asyncio.Event()
    with stop_signals(stopped.set, lambda number: os._exit(128 + number)):
        yield stopped


@contextmanager
def stop_order() -> Iterator[asyncio.Event]:
    """Give an event that the end of stdin sets, as a worker's parent orders it, or any signal, however often.

    A terminal and systemd send signals to the worker too, beside the parent.
    """
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    stdin = sys.stdin.fileno()

    def stop() -> None:
        stopped.set()
        loop.remove_reader(stdin)

    loop.add_reader(stdin, stop)
    try:
        with stop_signals(stop, lambda _: stop()):
            yield stopped
    finally:
        loop.remove_reader(stdin)


@contextmanager
def stop_signals(stop: Callable[[], None], again: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call ``stop`` at SIGTERM, SIGINT or SIGHUP, and ``again`` from the second SIGTERM or SIGINT on.

    SIGHUP only drains, however often: systemd and a closing terminal send it after or beside another signal,
    and signals that wait come in any order. Where it is ignored (``nohup``) it stays so.
    """
    loop, count = asyncio.get_running_loop(), 0

    def signalled(number: signal.Signals) -> None:
        nonlocal count
        count += number is not signal.SIGHUP
        if count > 1 and number is not signal.SIGHUP:
            again(number)
        else:
            stop()

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, signalled, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def unless_stopped(stopped: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result | None:
    """Return the work's result, or raise its error; None if the signal came first, which cancels it."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
