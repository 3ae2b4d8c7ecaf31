"""Connections whose other end falls silent without a word: as after a failover that resets nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from tests.chaos.proxy import Proxy

from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connections import Lane, connect
from sp00ky_store_postgres.keepalive import GIVE_UP_SECONDS


@pytest_asyncio.fixture
async def proxy(dsn: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the server."""
    server = urlsplit(dsn)
    folder = parse_qs(server.query).get("host", [""])[0]

    async def reach() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if folder.startswith("/"):
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{server.port or 5432}")
        return await asyncio.open_connection(server.hostname, server.port or 5432)

    proxy = Proxy(reach)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
def through(dsn: str, proxy: Proxy) -> str:
    """The server's URL, by TCP through the proxy."""
    server = urlsplit(dsn)
    user = server.username or "postgres"
    door = f"{user}:{server.password}" if server.password else user
    return f"postgresql://{door}@127.0.0.1:{proxy.port}{server.path or '/postgres'}?sslmode=disable"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this platform has no such option")
async def test_the_kernel_gives_up_a_peer_that_is_gone(make: Any, through: str, dsn: str) -> None:
    store: PostgresStore = make(base=through)
    await store.open()
    lone = await connect(through)
    for connection in (store._connections._pools[Lane.REST]._idle[0][1], lone):
        carrier = connection._transport.get_extra_info("socket")
        assert carrier.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        timeout = carrier.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == GIVE_UP_SECONDS * 1_000
        assert carrier.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
    await lone.close()
    await store.close()
