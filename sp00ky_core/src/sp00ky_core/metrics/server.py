"""Serve texts over HTTP on a path each, for probes and scrapers: GET, one answer a connection, nothing else.

A library would bring more than the runner's own: an HTTP server is no part of what delivers jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus

import attrs

__all__ = ["Answer", "TextServer"]

LONGEST_HEAD = 16_384
"""Bytes of a request's head."""

CLIENT_SECONDS = 10.0
"""For a whole exchange: who holds a connection open is cut off."""

MOST_CLIENTS = 50
"""At a time; others are cut off at once."""

ALLOW = {HTTPStatus.METHOD_NOT_ALLOWED: "Allow: GET, HEAD\r\n"}


@attrs.frozen
class Answer:
    """An answer.

    Attributes:
        text: Its body.
        status: Its status.
        kind: The body's type.
    """

    text: str
    status: HTTPStatus = HTTPStatus.OK
    kind: str = "text/plain; charset=utf-8"


class TextServer:
    """Answers requests.

    Args:
        pages: What answers a GET of a path.
    """

    def __init__(self, pages: Mapping[str, Callable[[], Awaitable[Answer]]]) -> None:
        self._pages = pages
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; return the port, a free one where 0 is given. Raises ``OSError`` or ``UnicodeError``."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=LONGEST_HEAD)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def close(self) -> None:
        """Listen no more, and cut off whoever is served."""
        if self._server is not None:
            self._server.close()
        for each in self._clients:
            each.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MOST_CLIENTS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            try:
                async with asyncio.timeout(CLIENT_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(await self._answered(head))
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
            finally:
                writer.transport.abort()

    async def _answered(self, head: bytes) -> bytes:
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.split(" ", 1)[0].partition("?")[0]
        answer = await self._answer(method, path)
        body = answer.text.encode()
        lines = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\nContent-Type: {answer.kind}\r\n"
            f"Content-Length: {len(body)}\r\n{ALLOW.get(answer.status, '')}"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return lines.encode() + (b"" if method == "HEAD" else body)

    async def _answer(self, method: str, path: str) -> Answer:
        if method not in {"GET", "HEAD"}:
            return Answer("only GET\n", HTTPStatus.METHOD_NOT_ALLOWED)
        page = self._pages.get(path)
        return await page() if page else Answer("no such page\n", HTTPStatus.NOT_FOUND)
