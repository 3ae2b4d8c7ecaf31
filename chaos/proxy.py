"""A TCP proxy in front of the database, one for each client: it cuts, swallows replies, and holds back."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

__all__ = ["Proxy", "Connect"]

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

AFTER_STATEMENT = 0.05
"""Seconds that a statement gets to be carried out before the connection that it came on is cut."""


class Proxy:
    """Listens on a free port of 127.0.0.1."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0

    async def open(self) -> None:
        """Listen; where it was closed, again on its port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut everything and listen no more."""
        if self._server is not None:
            self._server.close()
        self._flowing.set()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> int:
        """Reset every connection; how many."""
        links = list(self._links)
        for link in links:
            link.abort()
        return len(links)

    def lose_replies(self) -> None:
        """Let the next statement of each connection through, keep its reply, and cut."""
        for link in self._links:
            link.losing = True

    def silence(self) -> None:
        """Swallow every byte of the connections that are there, and close none; new ones are carried."""
        for link in self._links:
            link.silent = True

    def hold(self) -> None:
        """Hold every byte back, in both directions, and let no connection be made."""
        self._flowing.clear()

    def let_go(self) -> None:
        """Let through what was held back."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._flowing.wait()
            theirs, ours = await self._connect()
        except (OSError, asyncio.CancelledError) as error:  # cancelled: the test is over
            writer.transport.abort()
            if isinstance(error, OSError):
                return
            raise
        link = _Link(self._flowing, (reader, writer), (theirs, ours))
        self._links.add(link)
        try:
            await link.run()
        finally:
            link.abort()
            self._links.discard(link)


Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection, with its other half to the database."""

    def __init__(self, flowing: asyncio.Event, client: Side, server: Side) -> None:
        self._flowing = flowing
        self._client = client
        self._server = server
        self.losing = False
        self.silent = False

    async def run(self) -> None:
        """Carry bytes until one side ends."""
        pumps = [asyncio.create_task(self._up()), asyncio.create_task(self._down())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _up(self) -> None:
        cutting = False
        with suppress(OSError):
            while data := await self._client[0].read(65_536):
                await self._flowing.wait()
                if self.silent:
                    continue
                self._server[1].write(data)
                await self._server[1].drain()
                if self.losing and not cutting:
                    cutting = True
                    asyncio.get_running_loop().call_later(AFTER_STATEMENT, self.abort)

    async def _down(self) -> None:
        with suppress(OSError):
            while data := await self._server[0].read(65_536):
                await self._flowing.wait()
                if not (self.losing or self.silent):
                    self._client[1].write(data)
                    await self._client[1].drain()

    def abort(self) -> None:
        """Reset both halves."""
        for _, writer in (self._client, self._server):
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.family == socket.AF_INET:
                with suppress(OSError):  # closed already
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
