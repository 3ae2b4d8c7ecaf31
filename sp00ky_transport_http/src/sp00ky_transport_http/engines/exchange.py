"""Promise what an engine does: send one request once, and read its response as far as it is wanted."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable
from typing import Any, NamedTuple, Protocol

import attrs
from yarl import URL

from sp00ky_transport_http.request import Request
from sp00ky_transport_http.response import MAX_RESULT_BYTES, Response

KEPT = 2 * MAX_RESULT_BYTES
"""Bytes of a body that are kept: more than a result has, also where a content coding has made it longer."""

MAX_INTERIM = 16
"""Informational (1xx) heads that are read before a response; a backend that sends more is hung up on."""

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""An address of a host, as ``socket.getaddrinfo`` returns it."""

_HEADS = 1_048_576  # bytes for heads and a short body
_OVERHEAD = 4  # times the limit that a body may take on the wire: chunks may be tiny


def room(limit: int) -> int:
    """Return how many bytes a response may take on the wire, of whose body ``limit`` bytes are read."""
    return _HEADS + _OVERHEAD * limit


class Origin(NamedTuple):
    """All that connections must have in common to stand in for each other.

    Attributes:
        host: A name in ASCII, or an address.
        port: Of TCP.
        tls: How TLS is spoken; None: it isn't.
        proxy: Through which HTTP proxy; may hold a user and a password.
        addresses: The host's, where whoever asks has resolved and checked them; httptools alone takes them.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    proxy: URL | None = None
    addresses: tuple[AddressInfo, ...] = ()


@attrs.define(kw_only=True, eq=False)
class Exchange:
    """One request on its way, and what has come back so far: it stays true when the engine is cancelled.

    Attributes:
        request: To be sent, once.
        origin: Where to.
        limit: Bytes of the body that are read.
        fresh: Take a new connection, and keep it for no other request.
        read: A header of the response that is read beside ``READ``.
        connection: What it goes over, by its engine; None: nothing can have been sent yet.
        response: As far as it has come, and of its body as much as is of use; None before its head was whole.
        size: Bytes of the body that were read.
        problem: Why the engine hung up, in words that quote nothing.
    """

    request: Request
    origin: Origin = attrs.field(repr=False)
    limit: int
    fresh: bool = False
    read: str | None = None
    connection: object = None
    response: Response | None = None
    size: int = 0
    problem: str = ""

    def take(self, response: Response, chunk: bytes) -> bool:
        """Take a piece of the body; False: it is longer than what is read of it."""
        self.size += len(chunk)
        if not response.body:  # a body mostly comes in one piece, which isn't copied
            response.body = chunk[: min(KEPT, self.limit)]
            return self.size <= self.limit
        if isinstance(response.body, bytes):
            response.body = bytearray(response.body)
        response.body += chunk[: max(min(KEPT, self.limit) - len(response.body), 0)]
        return self.size <= self.limit


@attrs.define(kw_only=True, eq=False)
class ExchangeFailed(Exception):
    """Say why no whole response head has come.

    Attributes:
        name: An outcome's, such as ``reset``.
        reason: In words that quote nothing of what the backend sent.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class Engine(Protocol):
    """An HTTP library behind the transport."""

    async def open(self) -> None:
        """Get ready, in the event loop that will send; opening an open engine does nothing."""

    async def close(self) -> None:
        """Close every connection; closing a closed engine does nothing, and a cancelled close is repeated."""

    def run(self, exchange: Exchange) -> Awaitable[None]:
        """Send the request, once, and write into the exchange what comes back.

        A head that has come whole decides: whatever goes wrong after it only leaves ``complete`` false.
        It keeps no time itself; once it was cancelled, ``cut_off`` is to be called. However it ends, the
        connection is either fit for another request or closed.

        Raises:
            ExchangeFailed: no whole head has come.
        """

    def cut_off(self, exchange: Exchange) -> None:
        """Close the connection of an exchange whose ``run`` was cancelled, if it hasn't ended."""
