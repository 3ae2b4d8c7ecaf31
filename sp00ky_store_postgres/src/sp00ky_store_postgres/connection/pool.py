"""Pool connections without resetting them.

The driver's own pool shields, wraps and resets each connection, because it can't know what its users do to
them; that costs a good part of what an INSERT does. Here no call sets anything on a connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

logger: logging.Logger = logging.getLogger(__name__)

IDLE_SECONDS = 300.0
"""Seconds after which a connection that no call needed is closed."""
CLOSE_SECONDS = 5.0
CANCEL_SECONDS = 30.0
"""Seconds for the cancel request to the server: a statement whose caller is gone would run on otherwise."""


class Pool:
    """Holds at most ``size`` connections, made when they are needed; the one used last is used next."""

    def __init__(self, size: int, connect: Callable[[], Awaitable[Any]]) -> None:
        self._size = size
        self._connect = connect
        self._places = asyncio.Semaphore(size)
        self._idle: list[tuple[float, Any]] = []  # since when, the longest first
        self._used: set[Any] = set()
        self._ending: set[asyncio.Task[None]] = set()  # that cancel what their connections were at
        self._closed = False

    async def acquire(self) -> Any:
        """Return a connection, to be released in any case."""
        await self._places.acquire()
        try:
            while self._idle:
                _, connection = self._idle.pop()
                if not connection.is_closed():
                    break
            else:
                connection = await self._connect()
        except BaseException:
            self._places.release()
            raise
        self._used.add(connection)
        return connection

    def release(self, connection: Any, *, sound: bool) -> None:
        """Give a connection back; one that isn't ``sound``, or is within a transaction, isn't used again."""
        self._used.discard(connection)
        if sound and not self._closed and not connection.is_closed() and not connection.is_in_transaction():
            now = time.monotonic()
            self._idle.append((now, connection))
            while self._idle[0][0] < now - IDLE_SECONDS:
                self._idle.pop(0)[1].terminate()
        else:
            self._end(connection)
        self._places.release()

    def _end(self, connection: Any) -> None:
        """Close a connection and cancel its statement on the server, in the background."""
        task = asyncio.create_task(_closed(connection), name="postgres-cancel")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Let calls that are under way end, for a while, and close every connection."""
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                for _ in range(self._size):
                    await self._places.acquire()
                while self._idle:
                    await self._idle.pop()[1].close()
                if self._ending:
                    await asyncio.wait(self._ending)
        except Exception as error:  # noqa: BLE001  # a server that is gone needs no farewell
            logger.debug("connections are dropped: %s", error)
        finally:
            self.terminate()

    def connections(self) -> list[Any]:
        """Return those in use, and those that are idle."""
        return [*self._used, *(connection for _, connection in self._idle)]

    def terminate(self) -> None:
        """Drop every connection at once."""
        for connection in self.connections():
            connection.terminate()
        self._idle.clear()
        for task in self._ending:
            task.cancel()


async def _closed(connection: Any) -> None:
    """Close a connection; the driver cancels its statement on the server first, on another socket."""
    try:
        await connection.close(timeout=CANCEL_SECONDS)
    except Exception as error:  # noqa: BLE001  # it is gone, or the server doesn't answer: it is dropped
        logger.debug("a connection is dropped: %s", error)
    finally:
        connection.terminate()
