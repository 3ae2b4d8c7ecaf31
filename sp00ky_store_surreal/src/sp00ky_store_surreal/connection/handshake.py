"""Connect to a server: sign in, look at its version, choose the database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from sp00ky_core.errors import StoreError
from sp00ky_store_surreal.connection.websocket import ServerConnection
from sp00ky_store_surreal.surql.loader import identifier
from sp00ky_store_surreal.url import Target

CONNECT_SECONDS = 5.0
"""Seconds for a server to take a connection, a sign-in and the choice of a database."""

OLDEST = 3
"""The first major version of a server that may be shared: 2.x loses updates of two clients at once."""


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
