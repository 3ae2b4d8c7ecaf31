"""``python service_program.py FD``: a service behind the receiver, slow at times, which fails at times."""

import asyncio
import json
import os
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import uvicorn

from sp00ky_receiver import AsgiReceiver, Receiver
from sp00ky_receiver.middleware_delivery import Delivery

DSN, SECRET, LOG, OFF = "CHAOS_DSN", "CHAOS_SECRET", "CHAOS_LOG", "CHAOS_WITHOUT_RECEIVER"
"""Variables of the environment; the last one, for comparison, does without the receiver."""

SLOW = 2.5
"""Seconds that some jobs take: longer than an attempt may."""

FAILING = 0.1
"""The share of the jobs that fail after they were done, so that it must be undone."""

EFFECT = "INSERT INTO effect (n) VALUES ($1) RETURNING id"


class Service:
    """An ASGI application; its handler works in the transaction that the receiver has begun."""

    def __init__(self) -> None:
        self._pool: Any = None
        self._log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        if self._pool is None:
            # So that nothing waits for a process that was killed behind a proxy, which the server can't know.
            settings = {"lock_timeout": "4s", "idle_in_transaction_session_timeout": "4s"}
            self._pool = asyncpg.create_pool(
                os.environ[DSN],
                min_size=0,
                max_size=40,
                timeout=5,
                command_timeout=10,
                server_settings=settings,
            )
        await self._pool
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        payload = json.loads((await receive())["body"])
        effect = await scope["sp00ky_receiver"].connection.fetchval(EFFECT, payload["n"])
        await asyncio.sleep(SLOW if payload.get("hang") else random.choice((0, 0, 0, 0.05, 0.3)))  # noqa: S311  # no secret
        status = 500 if random.random() < FAILING else 200  # noqa: S311  # no secret
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"effect": effect}).encode()})

    async def without_receiver(self, scope: Any, receive: Any, send: Any) -> None:
        async with self.transaction() as connection:
            inner = {**scope, "sp00ky_receiver": Delivery(key="", connection=connection)}
            await self.handle(inner, receive, send)

    def logged(self, app: Any) -> Any:
        """Write down each answer, a character each: done, repeated, or failed."""

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    names = {name for name, _ in message["headers"]}
                    done = b"r" if b"idempotent-replayed" in names else b"d"
                    os.write(self._log, done if message["status"] < 300 else b"f")
                await send(message)

            await app(scope, receive, sending)

        return outer


def main() -> None:
    service = Service()
    app: Any = AsgiReceiver(service.handle, Receiver(os.environ[SECRET]), service.transaction)
    if os.environ.get(OFF):
        app = service.without_receiver
    config = uvicorn.Config(service.logged(app), lifespan="off", log_level="critical")
    listening = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
