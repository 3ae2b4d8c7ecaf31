"""Tell others how ``sp00ky run`` does: ``--listen`` for probes and metrics, systemd's notifications."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_address
from socket import gaierror

from sp00ky_core.errors import MetricsMissing, OptionInvalid
from sp00ky_core.observe.measures import Answer, Measures, TextServer, refuse_unmeasured
from sp00ky_health import address_of

__all__ = ["listening", "notified"]

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

EXPECTED = {
    errno.EADDRINUSE: "a port that no other process has",
    errno.EADDRNOTAVAIL: "an address of this host, such as 127.0.0.1 or 0.0.0.0",
    errno.EACCES: "a port that this user may have: 1024 or above",
}

logger: logging.Logger = logging.getLogger("sp00ky")


@asynccontextmanager
async def listening(address: str | None, measures: Measures, *, routes: bool = False) -> AsyncIterator[None]:
    """Serve ``/livez``, ``/readyz`` and ``/metrics``, where an address is given.

    Raises:
        OptionInvalid: it can't be listened on.
    """
    if address is None:
        yield
        return
    server = TextServer(_pages(measures, routes=routes))
    host, port = address_of(address)
    try:
        port = await server.open(host, port)
    except (OSError, UnicodeError) as error:
        raise OptionInvalid(option="--listen", value=address, expected=_expected(error)) from error
    try:
        _log(host, port)
        yield
    finally:
        await server.close()


def _expected(error: OSError | UnicodeError) -> str:
    if isinstance(error, gaierror | UnicodeError):  # a name that is longer than names can be
        return "a host's name or address"
    return EXPECTED.get(error.errno or 0) or f"an address to listen on: {error.strerror}"


def _pages(measures: Measures, *, routes: bool) -> dict[str, Callable[[], Awaitable[Answer]]]:
    async def livez() -> Answer:
        return Answer("alive\n")  # the loop runs, or this wouldn't

    async def readyz() -> Answer:
        if measures.is_ready:
            return Answer("ready\n")
        problem = "not ready: it drains, or its database isn't reached\n"
        return Answer(problem, HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics() -> Answer:
        try:
            return Answer(await measures.text(routes=routes), kind=PROMETHEUS)
        except MetricsMissing as error:
            return Answer(f"{error}\n", HTTPStatus.NOT_IMPLEMENTED)

    return {"/livez": livez, "/readyz": readyz, "/metrics": metrics}


def _log(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    others = "" if _is_loopback(host) else ", for other hosts too"
    logger.info("health and metrics: http://%s:%d/readyz, /livez, /metrics%s", shown, port, others)
    try:
        refuse_unmeasured()
    except MetricsMissing as error:
        logger.warning("/metrics has nothing: %s", error)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@asynccontextmanager
async def notified(environment: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Tell systemd that the process is up; alive, as long as the event loop runs; at last that it stops.

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
