"""What SIGTERM and SIGINT do to a command that runs jobs: the first one drains, the second one ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["GRACE", "stop_signal", "unless_stopped"]

GRACE = 25.0
"""Seconds that attempts in flight get to end."""

Result = TypeVar("Result")


@contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """An event that the first signal sets; the second one ends the process."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop(number: signal.Signals) -> None:
        if stopped.is_set():
            os._exit(128 + number)
        stopped.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopped
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def unless_stopped(stopped: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What the work returns, or raises; None if the signal came first, which cancels it."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for each in (working, stopping):
            each.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
