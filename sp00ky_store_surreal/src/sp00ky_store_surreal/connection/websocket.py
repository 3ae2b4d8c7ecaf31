"""Connect to a server and call it over one WebSocket: each call has its reply, whatever that holds.

Not the SDK's own connection. Its reader ends at a value that it can't decode, and its
calls are cancelled when the socket is lost (2.x), or it is made anew automatically, without signing in (3.x).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from itertools import count
from typing import Any, TypeVar

from cbor2 import CBORDecodeError
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from sp00ky_core.errors import StoreError
from sp00ky_store_surreal.connection.cbor import decoded, encoded, number_of
from sp00ky_store_surreal.surql.loader import identifier
from sp00ky_store_surreal.url import Target

NEWS = b"\xa1\x66result"
"""How a LIVE notification begins: one entry, for it answers no call; a reply has an ``id`` as well."""

LOST = "the connection was lost"

PARSE_ERROR = "Parse error"
"""What a server answers where a value has no form in a reply; here, too, where it has none in Python."""

SILENT_TICKS = 4
"""Looks that find no answer until a server counts as hung. Not seconds: a process that was stopped itself, or
was busy, finds its clock far on and the answers unread."""

CONNECT_SECONDS = 5.0
"""Seconds for a server to take a connection, a sign-in and the choice of a database."""

OLDEST = 3
"""The first major version of a server that may be shared: 2.x loses updates of two clients at once."""

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


async def connected(target: Target, heard: Callable[[bytes], None] | None = None) -> ServerConnection:
    """Make a connection that statements can be sent on; ``heard`` is called with each LIVE notification.

    Where the namespace or the database is missing, statements on it fail with ``PlaceMissing``.

    Raises ``StoreError`` for a server that is too old, ``CallRefused``, ``TimeoutError``, or what the socket
    raises.
    """
    connection = ServerConnection(target.sdk_url, heard)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.connect()
            _check_version(target, str(await connection.call("version")))
            await _sign_in(connection, target)
            if await _is_there(connection, target):
                await connection.call("use", target.namespace, target.database)
    except BaseException:
        await connection.close()
        raise
    return connection


def _check_version(target: Target, version: str) -> None:
    match = re.search(r"(\d+)\.\d+", version)
    if match is not None and int(match[1]) < OLDEST:
        raise StoreError(
            store=target.location,
            problem=f"the server is too old ({version}): it loses updates that two clients make at "
            f"the same time; upgrade it to SurrealDB {OLDEST}.0 or newer",
        )


async def _sign_in(connection: ServerConnection, target: Target) -> None:
    if target.token:
        await connection.call("authenticate", target.token)
        return
    who = {"user": target.username, "pass": target.password}
    if target.auth != "root":
        who["NS"] = target.namespace
    if target.auth == "database":
        who["DB"] = target.database
    await connection.call("signin", who)


async def _is_there(connection: ServerConnection, target: Target) -> bool:
    """Whether namespace and database are there, as far as we may know. To choose missing ones makes them."""
    namespaces = await _names(connection, "INFO FOR ROOT", "namespaces")
    if namespaces is not None and target.namespace not in namespaces:
        return False
    inside = f"USE NS {identifier(target.namespace)}; INFO FOR NS"
    databases = await _names(connection, inside, "databases")
    return databases is None or target.database in databases


async def _names(connection: ServerConnection, statement: str, kind: str) -> set[str] | None:
    reply = await connection.query_raw(statement, {})
    try:
        return {name.strip("`⟨⟩") for name in reply["result"][-1]["result"][kind]}
    except (KeyError, TypeError, IndexError):  # a user of the database doesn't see it
        return None
