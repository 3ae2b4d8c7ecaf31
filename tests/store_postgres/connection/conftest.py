"""A server behind a proxy, which can cut or silence its connections."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from chaos.proxy import Proxy


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
