"""Describe the backend that a transport of any scheme is tested against, and stand for one that refuses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import attrs

__all__ = ["Arrival", "CollectingPeer", "Peer", "refusing"]


class Arrival(Protocol):
    """A request as the backend got it."""

    @property
    def body(self) -> bytes:
        """Return the payload."""


class Peer(Protocol):
    """A real backend, at work, that keeps what it gets; ``MisbehavingBackend`` is one for HTTP.

    A request for ``/json`` is delivered, one for ``/fails`` is refused in a way that may be retried, and one
    for ``/hang`` is never answered.
    """

    @property
    def url(self) -> str:
        """Return the ``baseUrl`` of its backend."""

    @property
    def requests(self) -> Sequence[Arrival]:
        """Return what has arrived, in order."""

    async def received(self, count: int = 1) -> Arrival:
        """Return the ``count``-th request, once it has arrived."""


@attrs.frozen
class Taken:
    """What a ``CollectingPeer`` was given.

    Attributes:
        body: The payload.
    """

    body: bytes


class CollectingPeer:
    """A ``Peer`` that is given what arrives: by an application in this process, or a broker's consumer.

    Attributes:
        url: The ``baseUrl`` of its backend.
        requests: What has arrived.
        under_way: How many requests are being answered, where whoever calls ``take`` counts them.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Taken] = []
        self.under_way: int = 0
        self._arrival = asyncio.Event()

    def take(self, body: bytes) -> None:
        """Keep what has arrived; called in the test's event loop."""
        self.requests.append(Taken(body))
        self._arrival.set()

    async def received(self, count: int = 1) -> Taken:
        """Return the ``count``-th request, once it has arrived."""
        while len(self.requests) < count:
            self._arrival.clear()
            await self._arrival.wait()
        return self.requests[count - 1]


@contextmanager
def refusing() -> Iterator[str]:
    """Yield a ``host:port`` that refuses connections, and keep it from others meanwhile."""
    with socket.socket() as bound:  # which never listens
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
