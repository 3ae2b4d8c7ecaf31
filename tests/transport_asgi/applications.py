"""Applications that the tests deliver to; a test chooses what they do by the module's attributes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sp00ky_conformance import CollectingPeer

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

peer = CollectingPeer("asgi://tests.transport_asgi.applications:app")
"""What has arrived at ``app``."""


async def body_of(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def answer(send: Send, status: int = 200, body: bytes = b"{}", **more: Any) -> None:
    headers = [(b"Content-Type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, **more})


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Do what the conformance suite asks of a peer."""
    assert scope["type"] == "http"
    peer.take(await body_of(receive))
    if scope["path"] == "/hang":
        peer.under_way += 1
        try:
            assert (await receive())["type"] == "http.disconnect"
        finally:
            peer.under_way -= 1
        return
    await answer(send, 500 if scope["path"] == "/fails" else 200)


not_callable = 7


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def factory() -> Any:
    return app


async def refuses_to_start(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database\n  at 10.0.0.7\n"})


async def raises_at_start(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    raise OSError("no\ndatabase")


async def is_cancelled_at_start(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    raise asyncio.CancelledError


async def is_interrupted_at_start(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    raise KeyboardInterrupt


async def tells_a_secret(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    raise OSError("password hunter2")


async def never_starts(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    await receive()
