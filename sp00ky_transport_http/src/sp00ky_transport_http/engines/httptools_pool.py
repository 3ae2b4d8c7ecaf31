"""Make connections, and keep those that are fit for another request for a while."""

from __future__ import annotations

import asyncio
import socket
from collections import deque

from aiohappyeyeballs import AddrInfoType, start_connection

from sp00ky_transport_http.engines.exchange import Origin
from sp00ky_transport_http.engines.httptools_connection import Connection
from sp00ky_transport_http.engines.proxy import tunnel

IDLE = 4.0
"""Seconds that a connection is kept unused: less than the 5 s after which many servers close it."""

_MOST_IDLE = 1_000  # connections that are kept for one origin
_INTERVAL = 1.0  # seconds between two looks for connections that were kept for long enough
_RESOLVED = 10.0  # seconds for which the addresses of a host hold
_NEXT_ADDRESS = 0.25  # seconds after which a host's next address is tried beside the first (RFC 8305)


class Pool:
    """The connections of one engine; the youngest of those that are kept is taken first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened: set[Connection] = set()
        self._kept: dict[Origin, deque[Connection]] = {}
        self._addresses: dict[tuple[str, int], tuple[float, list[AddrInfoType]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection that was kept; None where there is none."""
        kept = self._kept.get(origin)
        while kept:
            connection = kept.pop()
            if connection.is_open and connection.kept_since + IDLE > self._loop.time():
                return connection
            connection.abort()
        return None

    async def connect(self, origin: Origin) -> Connection:
        """Make a connection.

        Raises:
            OSError: the host, or its proxy, has no address, none of them answers, or TLS fails.
        """
        proxy = origin.proxy
        place = (proxy.raw_host or "", proxy.port or 0) if proxy else (origin.host, origin.port)
        try:
            made = await start_connection(
                [*origin.addresses] or await self._resolve(place),
                happy_eyeballs_delay=_NEXT_ADDRESS,
                loop=self._loop,
            )
        except BaseException:
            self._addresses.pop(place, None)
            raise
        if proxy and origin.tls:
            await tunnel(made, origin, proxy)
        return await self._wrap(made, origin)

    def keep(self, origin: Origin, connection: Connection) -> None:
        """Put a connection by for the next request."""
        if self._is_closed:
            connection.abort()
            return
        kept = self._kept.get(origin)
        if kept is None:
            kept = self._kept[origin] = deque()
        if len(kept) >= _MOST_IDLE:
            kept.popleft().abort()
        connection.kept_since = self._loop.time()
        kept.append(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(_INTERVAL, self._sweep)

    async def close(self) -> None:
        """Close every connection; a close that was cancelled is made again."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._kept.clear()
        losses = [connection.lost for connection in self._opened]
        for connection in self._opened:
            connection.abort()
        if losses:
            await asyncio.wait(losses)

    async def _resolve(self, place: tuple[str, int]) -> list[AddrInfoType]:
        until, addresses = self._addresses.get(place, (0.0, []))
        if until < self._loop.time():
            addresses = [*await self._loop.getaddrinfo(*place, type=socket.SOCK_STREAM)]
            self._addresses[place] = (self._loop.time() + _RESOLVED, addresses)
        return addresses

    async def _wrap(self, made: socket.socket, origin: Origin) -> Connection:
        connection = await self._attached(made)
        if origin.tls is not None:
            await connection.start_tls(origin.tls, origin.host.rstrip("."))
        return connection

    async def _attached(self, made: socket.socket) -> Connection:
        """Return a socket's connection; that takes a turn of the loop, within which it can't be cancelled.

        Both loops would leave it open, or close it twice.
        """
        attaching = self._loop.create_task(
            self._loop.create_connection(lambda: Connection(self._opened, self.keep), sock=made)
        )
        try:
            _, connection = await asyncio.shield(attaching)
        except asyncio.CancelledError:
            attaching.add_done_callback(_abort)
            raise
        return connection

    def _sweep(self) -> None:
        """Close the connections that were kept for long enough."""
        longest = self._loop.time() - IDLE
        for origin, kept in [*self._kept.items()]:
            while kept and (kept[0].kept_since < longest or not kept[0].is_open):
                kept.popleft().abort()
            if not kept:
                del self._kept[origin]
        self._timer = self._loop.call_later(_INTERVAL, self._sweep) if self._kept else None


def _abort(attaching: asyncio.Task[tuple[asyncio.Transport, Connection]]) -> None:
    if not attaching.cancelled() and attaching.exception() is None:
        attaching.result()[1].abort()
