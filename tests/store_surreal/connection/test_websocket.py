"""Calls over one WebSocket: to a server of the test's own, for what a real one doesn't say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from surrealdb.data.cbor import decode, encode
from websockets import Subprotocol
from websockets.asyncio.server import ServerConnection as Visitor
from websockets.asyncio.server import serve

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_core.ports import JobQuery
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.websocket import CallRefused, ServerConnection

Answers = Callable[[Any], list[bytes]]


def answer(call: Any, result: Any = None) -> list[bytes]:
    return [encode({"id": call["id"], "result": result})]


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[Callable[[Answers], Any]]:
    """Starts servers that answer a call with frames."""
    servers: list[Any] = []

    async def start(answers: Answers) -> str:
        async def talk(visitor: Visitor) -> None:
            async for frame in visitor:
                for reply in answers(decode(frame)):
                    await visitor.send(reply)

        server = await serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol("cbor")])
        servers.append(server)
        return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("version", ["surrealdb-2.3.10", "surrealdb-1.5.6+20241113"])
async def test_a_server_that_is_too_old_is_named_with_its_version(
    stub: Any, make_store: Callable[..., SurrealStore], version: str
) -> None:
    address = await stub(lambda call: answer(call, version if call["method"] == "version" else None))
    with pytest.raises(StoreError, match=r"too old \(surrealdb-.*upgrade it to SurrealDB 3.0") as caught:
        await make_store(f"ws://root:root@{address[5:]}/a/b").open()
    assert version in str(caught.value)
    assert not isinstance(caught.value, StoreUnavailable)  # which is waited for


async def connected(address: str) -> ServerConnection:
    connection = ServerConnection(address)
    await connection.connect()
    return connection


async def test_replies_in_any_order_go_to_their_calls(stub: Any) -> None:
    calls: list[Any] = []

    def late(call: Any) -> list[bytes]:
        calls.append(call)
        return [answer(asked, asked["method"])[0] for asked in reversed(calls)] if len(calls) == 3 else []

    connection = await connected(await stub(late))
    assert await asyncio.gather(*(connection.call(method) for method in "abc")) == ["a", "b", "c"]
    await connection.close()


UNREAD = encode({"error": {"code": -32700, "message": "Parse error"}})
"""What a server says of a frame that it can't read: it doesn't know whose it is."""


async def test_a_call_that_the_server_cant_read_is_refused(stub: Any) -> None:
    connection = await connected(await stub(lambda _: [UNREAD]))
    with pytest.raises(CallRefused, match="can't be read: Parse error"):
        await connection.call("query")
    assert connection.is_open
    await connection.close()


@pytest.mark.parametrize("frames", [[UNREAD], [b"\xff"], [b""], [encode([1])], [encode(5)]])
async def test_a_frame_that_is_nobodys_ends_the_connection_and_every_call(
    stub: Any, frames: list[bytes]
) -> None:
    calls: list[Any] = []

    def garbled(call: Any) -> list[bytes]:
        calls.append(call)
        return frames if len(calls) == 2 else []

    connection = await connected(await stub(garbled))
    asked = [asyncio.ensure_future(connection.call("query")) for _ in range(2)]
    async with asyncio.timeout(60):
        ended = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in ended] == [ConnectionError] * 2
    assert not connection.is_open
    with pytest.raises(ConnectionError):
        await connection.call("query")
    await connection.close()


async def test_a_binding_that_the_server_cant_read_costs_no_other_call(migrated: SurrealStore) -> None:
    from surrealdb.cbor import CBORTag  # noqa: PLC0415

    with pytest.raises(StoreError):
        await migrated._connection.read("RETURN $odd", odd=CBORTag(999, 1))
    assert await migrated.find(JobQuery()) == []
