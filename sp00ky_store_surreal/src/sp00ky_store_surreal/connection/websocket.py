"""Call a server over one WebSocket: each call has its reply, whatever the reply holds.

Not the SDK's own connection. Its reader ends at a value that it can't decode, and its
calls are cancelled when the socket is lost (2.x), or it is made anew automatically, without signing in (3.x).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from itertools import count
from typing import Any, TypeVar

from cbor2 import CBORDecodeError
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from sp00ky_store_surreal.connection.cbor import decoded, encoded, number_of

NEWS = b"\xa1\x66result"
"""How a LIVE notification begins: one entry, for it answers no call; a reply has an ``id`` as well."""

LOST = "the connection was lost"

PARSE_ERROR = "Parse error"
"""What a server answers where a value has no form in a reply; here, too, where it has none in Python."""

SILENT_TICKS = 4
"""Looks that find no answer until a server counts as hung. Not seconds: a process that was stopped itself, or
was busy, finds its clock far on and the answers unread."""

T = TypeVar("T")


class CallRefused(Exception):
    """The server answered something else than a result; to a sign-in, say."""


class ServerConnection:
    """Calls for any number of tasks at the same time. It ends once, for good.

    ``heard`` is called with each notification of a LIVE query, which isn't decoded.
    """

    def __init__(self, url: str, heard: Callable[[bytes], None] | None = None) -> None:
        self._url = f"{url.rstrip('/')}/rpc"
        self._heard = heard
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any] | None]] = {}
        self._numbers = count(1)

    @property
    def is_open(self) -> bool:
        """Whether calls can be answered."""
        return self._reading is not None and not self._reading.done()

    async def connect(self) -> None:
        """Connect. Raises what the socket raises."""
        # It is watched by whoever made it, so the library's own pings would be a second opinion.
        self._socket = await connect(
            self._url, subprotocols=[Subprotocol("cbor")], max_size=None, ping_interval=None
        )
        self._reading = asyncio.create_task(self._read(self._socket), name="surreal-read")

    async def call(self, method: str, *parameters: Any) -> Any:
        """Call a method. Raises ``CallRefused``, or ``ConnectionError`` where no reply came."""
        reply = await self._reply(method, parameters)
        if "error" in reply:
            raise CallRefused(_message(reply["error"]))
        return reply.get("result")

    async def query_raw(self, statement: str, bindings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send statements; return the whole reply. Raises ``ConnectionError`` where no reply came."""
        return await self._reply("query", (statement, dict(bindings)))

    async def ended(self) -> None:
        """Wait for the end."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def ping(self) -> None:
        """Wait for the server's network to answer. Raises what the socket raises."""
        if self._socket is None:
            raise ConnectionError(LOST)
        await (await self._socket.ping())

    async def close(self) -> None:
        """End it at once: one that hangs wouldn't answer a farewell."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self._socket.wait_closed()
        await self.ended()

    async def _reply(self, method: str, parameters: tuple[Any, ...]) -> Mapping[str, Any]:
        if self._socket is None or not self.is_open:
            raise ConnectionError(LOST)
        number = next(self._numbers)
        frame = encoded({"id": number, "method": method, "params": list(parameters)})
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(frame)
            reply: Mapping[str, Any] | None = await waiting
        finally:
            self._waiting.pop(number, None)
        if reply is None:
            raise ConnectionError(f"{LOST} before the reply came")
        return reply

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                data = frame.encode() if isinstance(frame, str) else frame
                if not data.startswith(NEWS):
                    self._pass_on(_reply_of(data))
                elif self._heard is not None:
                    self._heard(data)
        except (WebSocketException, CBORDecodeError, ValueError, AttributeError):
            socket.transport.abort()  # what comes after a frame that is no reply has no meaning
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():  # done: its caller was cancelled just now
                    waiting.set_result(None)

    def _pass_on(self, reply: Mapping[str, Any]) -> None:
        number = reply.get("id")
        if number is None:  # the server couldn't read a call; where there is only one, that one
            (number,) = self._waiting
            reply = {"error": f"a call can't be read: {_message(reply.get('error'))}"}
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)


async def answer_of(call: Coroutine[Any, Any, T], tick: float) -> T:
    """Wait for a call. Raises ``TimeoutError`` when ``SILENT_TICKS`` looks have found no answer."""
    asked = asyncio.ensure_future(call)
    try:
        for _ in range(SILENT_TICKS):
            if (await asyncio.wait([asked], timeout=tick))[0]:
                return asked.result()
        raise TimeoutError
    finally:
        asked.cancel()


def _reply_of(data: bytes) -> Mapping[str, Any]:
    """Decode a reply; one that can't be decoded is an error of the call that it answers, and of no other."""
    try:
        reply: Mapping[str, Any] = decoded(data)
    except (CBORDecodeError, ValueError):
        number = number_of(data)
        if number is None:
            raise
        return {"id": number, "error": PARSE_ERROR}
    return reply


def _message(error: object) -> str:
    return str(error.get("message") if isinstance(error, Mapping) else error)
