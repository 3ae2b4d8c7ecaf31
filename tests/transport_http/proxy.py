"""A small forward proxy: absolute requests and CONNECT, with or without a password."""

import asyncio
import contextlib
import re
from base64 import b64encode
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Proxy"]


class Proxy:
    """Serves on a free port of 127.0.0.1; an asynchronous context manager.

    Attributes:
        heads: of the requests that it got.
        carried: what it passed on, either way.
    """

    def __init__(self, *, user: str = "", password: str = "") -> None:
        self._expected = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.heads: list[str] = []
        self.carried = bytearray()

    @property
    def place(self) -> str:
        """Its host and port."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:  # which ends what is served
            writer.transport.abort()
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._carry(reader, writer)
        writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if self._expected and f"proxy-authorization: {self._expected}".lower() not in head.lower():
            said = head.encode()  # an echo, of what was sent
            writer.write(b"HTTP/1.1 407 Who\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
            await writer.drain()
            await reader.read()
            return
        method, target, _ = head.split(" ", 2)
        place = target if method == "CONNECT" else urlsplit(target).netloc
        host, _, port = place.rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        self._writers.append(inner_writer)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Go on\r\n\r\n")
            requests = self._pipe(reader, inner_writer)
        else:
            requests = self._forward(head, reader, inner_writer)
        await asyncio.gather(requests, self._pipe(inner_reader, writer))

    async def _forward(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one request after another, without what was for the proxy."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                length = re.search(r"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(length[1]) if length else 0)
                self.carried += _forwarded(head) + body
                writer.write(_forwarded(head) + body)
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
        writer.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.carried += data
                writer.write(data)
                await writer.drain()
        writer.close()


def _forwarded(head: str) -> bytes:
    """The head as a backend gets it: without what was for the proxy."""
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, version = line.split(" ")
    path = target.split("/", 3)[3]
    kept = [field for field in fields if not field.lower().startswith("proxy-")]
    return "\r\n".join([f"{method} /{path} {version}", *kept, "", ""]).encode()
