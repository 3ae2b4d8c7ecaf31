"""A request as a test backend received it, and the means to answer it, properly or not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs

__all__ = ["Received", "Answering"]


@attrs.define(kw_only=True, eq=False)
class Received:
    """A request as it arrived.

    Attributes:
        method: ``POST``.
        target: As it stood in the request line.
        headers: Names in lower case.
        body: As it came.
        connection: 1 for the first that was accepted.
        hung_up: Set when a ``/hang``'s client has closed.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    hung_up: asyncio.Event = attrs.field(factory=asyncio.Event)


@attrs.frozen(kw_only=True, eq=False)
class Answering:
    """The means of a behaviour to answer one request.

    Attributes:
        request: To be answered.
        reader: Of the connection.
        writer: Of the connection.
        elsewhere: Another origin, where no request should go.
    """

    request: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    elsewhere: str

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, status: str, body: bytes = b"", *, content_type: str = "application/json", headers: str = ""
    ) -> None:
        """Write a proper response; ``headers`` are lines that each end with CRLF."""
        fields = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{headers}"
        await self.send(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body)

    async def gone(self, within: float | None = None) -> bool:
        """Wait for the client to close, at most ``within`` seconds; whether it did."""
        try:
            async with asyncio.timeout(within):
                return not await self.reader.read(1)
        except TimeoutError:
            return False

    def reset(self) -> None:
        """Close without another byte."""
        self.writer.transport.abort()
