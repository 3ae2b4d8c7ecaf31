"""A connection of the SDK's: made, signed in, its database chosen; and let go of."""

from __future__ import annotations

import asyncio
from typing import Any

from surrealdb import AsyncSurreal

from sp00ky_store_surreal.server import ServerConnection
from sp00ky_store_surreal.target import Target

__all__ = ["connected", "dropped", "CONNECT_SECONDS"]

CONNECT_SECONDS = 5.0
"""Seconds for a server to take a connection, a sign-in and the choice of a database."""


async def connected(target: Target) -> Any:  # the SDK's connections have no common type
    """A connection that statements can be sent on. Raises what the SDK raises, or ``TimeoutError``."""
    sdk: Any = AsyncSurreal(target.sdk_url) if target.embedded else ServerConnection(target.sdk_url)
    try:
        async with asyncio.timeout(None if target.embedded else CONNECT_SECONDS):
            await sdk.connect()
            if not target.embedded:
                await _sign_in(sdk, target)
            await sdk.use(target.namespace, target.database)
    except BaseException:
        if not target.embedded:
            await dropped(sdk)
        raise
    return sdk


async def dropped(sdk: Any) -> None:
    """End a server's connection at once: one that hangs wouldn't answer a farewell."""
    transport = getattr(sdk.socket, "transport", None)
    if transport is not None:
        transport.abort()
    await sdk.close()


async def _sign_in(sdk: Any, target: Target) -> None:
    if target.token:
        await sdk.authenticate(target.token)
        return
    who = {"username": target.username, "password": target.password}
    if target.auth != "root":
        who["namespace"] = target.namespace
    if target.auth == "database":
        who["database"] = target.database
    await sdk.signin(who)
