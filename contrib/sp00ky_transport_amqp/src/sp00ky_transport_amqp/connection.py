"""Keep a backend's connection: one for all its jobs, with a channel for each exchange."""

from __future__ import annotations

import asyncio

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from yarl import URL

from sp00ky_core import BackendConfig

HEARTBEAT = 10
"""Seconds; a connection on which nothing has come for three times as long is given up."""


class BrokerConnection:
    """A connection to a backend's broker, made when it is first needed, and anew when it is lost.

    Attributes:
        user: Whom it signs in as.
    """

    def __init__(self, backend: BackendConfig) -> None:
        url = URL(backend.base_url).update_query(heartbeat=HEARTBEAT)
        if backend.username and backend.password:
            url = url.with_user(backend.username.value).with_password(backend.password.value)
        self.user: str = url.user or "guest"
        self._url = url
        self._tls = backend.tls
        self._connection: AbstractConnection | None = None
        self._channels: dict[str, tuple[AbstractChannel, AbstractExchange]] = {}
        self._turn = asyncio.Lock()

    async def has_no_alarm(self, seconds: float) -> bool:
        """Wait for the end of an alarm, as ``connection.blocked`` has it; say whether there is none."""
        connection = self._connection
        if connection is None or connection.transport is None or not connection.connected.is_set():
            return True
        try:
            async with asyncio.timeout(seconds):
                await connection.transport.ready()
        except TimeoutError:
            return not connection.connected.is_set()
        return True

    async def exchange(self, name: str) -> AbstractExchange:
        """Return an exchange that is there, or was, on a channel that is open. Raises what aio-pika does.

        Each has a channel of its own: a broker closes one with all that is under way on it.
        """
        return self._open_exchange(name) or await self._opened(name)

    def _open_exchange(self, name: str) -> AbstractExchange | None:
        channel, exchange = self._channels.get(name, (None, None))
        return None if channel is None or channel.is_closed else exchange

    async def _opened(self, name: str) -> AbstractExchange:
        async with self._turn:
            if exchange := self._open_exchange(name):
                return exchange
            connection = self._connection
            if connection is None or not connection.connected.is_set():
                await self.close()
                context = self._tls.context() if self._tls else None
                self._connection = connection = await aio_pika.connect(self._url, ssl_context=context)
            channel = await connection.channel(on_return_raises=True)
            exchange = await channel.get_exchange(name) if name else channel.default_exchange
            self._channels[name] = channel, exchange
            return exchange

    async def close(self) -> None:
        """Let go of the connection; a close that was cancelled is made again."""
        if self._connection is not None:
            await self._connection.close()
        self._connection = None
        self._channels.clear()
