"""Describe the backend that a transport of any scheme is tested against, and stand for one that refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Arrival", "Peer", "refusing"]


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


@contextmanager
def refusing() -> Iterator[str]:
    """Yield a ``host:port`` that refuses connections, and keep it from others meanwhile."""
    with socket.socket() as bound:  # which never listens
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
