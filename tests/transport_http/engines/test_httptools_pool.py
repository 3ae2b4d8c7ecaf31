"""Connections that are made and kept, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from sp00ky_conformance.transport.peer import refusing
from sp00ky_transport_http.engines import httptools_pool as pools
from sp00ky_transport_http.engines.exchange import Origin
from sp00ky_transport_http.engines.httptools_pool import Pool


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """Where connections are accepted, and nothing is said."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield Origin("127.0.0.1", server.sockets[0].getsockname()[1])
    server.close()  # from Python 3.12 on, waiting for it is waiting for its connections


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool()
    yield pool
    await pool.close()


async def test_the_youngest_of_an_origins_connections_is_taken_first(pool: Pool, origin: Origin) -> None:
    first, second = await pool.connect(origin), await pool.connect(origin)
    for connection in (first, second):
        pool.keep(origin, connection)
    assert pool.take(origin._replace(port=1)) is None
    assert pool.take(origin) is second
    assert pool.take(origin) is first
    assert pool.take(origin) is None


async def test_a_connection_that_was_closed_is_not_taken(pool: Pool, origin: Origin) -> None:
    first, second = await pool.connect(origin), await pool.connect(origin)
    for connection in (first, second):
        pool.keep(origin, connection)
    second.data_received(b"x")  # no request asked for it
    assert pool.take(origin) is first


async def test_one_that_was_kept_for_too_long_is_not_taken(
    pool: Pool, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await pool.connect(origin)
    pool.keep(origin, connection)
    monkeypatch.setattr(pools, "IDLE", -1.0)
    assert pool.take(origin) is None
    await connection.lost


async def test_closing_closes_those_in_use_too(origin: Origin) -> None:
    pool = Pool()
    used, kept = await pool.connect(origin), await pool.connect(origin)
    pool.keep(origin, kept)
    await pool.close()
    assert used.lost.done()
    assert kept.lost.done()


def looking_up(pool: Pool, monkeypatch: pytest.MonkeyPatch, *ports: int) -> list[str]:
    """Let every name have these ports of 127.0.0.1 as its addresses; return what is looked up."""
    asked = []

    async def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number)) for number in ports]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


async def test_addresses_are_looked_up_once_in_a_while(
    pool: Pool, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = looking_up(pool, monkeypatch, origin.port)
    for _ in range(3):
        await pool.connect(Origin("x.test", 80))
    assert asked == ["x.test"]


async def test_addresses_that_nothing_answers_at_are_looked_up_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing() as address:
        asked = looking_up(pool, monkeypatch, int(address.rpartition(":")[2]))
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await pool.connect(Origin("x.test", 80))
    assert asked == ["x.test", "x.test"]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_an_address_that_does_not_answer_keeps_no_other_waiting(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def connect() -> None:
        accepted = asyncio.Event()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set()
            writer.close()

        pool = Pool()
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(4):  # more than the backlog holds: from then on no one gets an answer
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listener.getsockname())
            silent, port = listener.getsockname()[1], server.sockets[0].getsockname()[1]
            found = [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number))
                for number in (silent, port)
            ]
            pool._addresses["x.test", 80] = (float("inf"), found)
            await pool.connect(Origin("x.test", 80))
            await accepted.wait()
            await pool.close()
            server.close()

    run(connect())
