"""Tell systemd that the process is up, alive, and stopping: ``Type=notify``, ``WatchdogSec=``.

The protocol is a datagram to a socket that an environment variable names; see ``sd_notify(3)``.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

__all__ = ["notified"]


@asynccontextmanager
async def notified(environment: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Say that the process is up; that it is alive, as long as the event loop runs; at last that it stops.

    Does nothing where no systemd started it.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)
        _send(notify, address, "READY=1")
        watchdog = asyncio.create_task(_watchdog(notify, address, _interval(environment)))
        try:
            yield
        finally:
            _send(notify, address, "STOPPING=1")
            watchdog.cancel()
            await asyncio.gather(watchdog, return_exceptions=True)


def _interval(environment: Mapping[str, str]) -> float:
    """Return the seconds between two signs of life, half of what systemd waits for; 0: it waits for none."""
    wanted = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 2e6 if wanted and text.isdecimal() else 0.0


async def _watchdog(notify: socket.socket, address: str, interval: float) -> None:
    while interval:
        _send(notify, address, "WATCHDOG=1")
        await asyncio.sleep(interval)


def _send(notify: socket.socket, address: str, state: str) -> None:
    with suppress(OSError):  # a systemd that doesn't listen stops no delivery
        notify.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
