"""A real HTTP backend on loopback that misbehaves on demand, and remembers every request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from sp00ky_conformance.transport.answering import Answering, Received
from sp00ky_conformance.transport.behaviours import Behaviour, behaviour_of

__all__ = ["MisbehavingBackend"]


class MisbehavingBackend:
    """Serves the routes of ``sp00ky_conformance.transport.behaviours`` on a free port of 127.0.0.1.

    Use it as an asynchronous context manager. Unknown targets get 404; ``choose`` gives another behaviour for
    each request's target.
    """

    def __init__(
        self,
        *,
        elsewhere: str = "",
        close_reused: bool = False,
        choose: Callable[[str], Behaviour] = behaviour_of,
    ) -> None:
        self.requests: list[Received] = []
        self.close_reused = close_reused  # answer nothing on a connection that has served a request already
        self._elsewhere = elsewhere
        self._choose = choose
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.accepted: int = 0  # connections
        self._arrival = asyncio.Condition()

    @property
    def url(self) -> str:
        """Its origin."""
        if self._server is None:
            raise RuntimeError("the backend isn't running")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        # Handlers are ended by their connections' end, not cancelled: that is what clients do to them too.
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*self._connections)

    async def received(self, count: int = 1) -> Received:
        """Return the ``count``-th request, once it has arrived."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a handler runs in a task")
        self.accepted += 1
        self._connections[task] = writer
        try:
            await self._answer_all(self.accepted, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            del self._connections[task]
            writer.close()

    async def _answer_all(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        served = False
        while True:
            request = await _read_request(reader, connection)
            async with self._arrival:
                self.requests.append(request)
                self._arrival.notify_all()
            if served and self.close_reused:
                return
            answering = Answering(request=request, reader=reader, writer=writer, elsewhere=self._elsewhere)
            if not await self._choose(request.target)(answering):
                return
            served = True


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _version = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Received(
        method=method,
        target=target,
        headers=headers,
        body=await _read_body(reader, headers),
        connection=connection,
    )


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return bytes(body)
