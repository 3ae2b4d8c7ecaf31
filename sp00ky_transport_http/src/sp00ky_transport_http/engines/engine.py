"""Promise what an engine does: send one request once, and read its response as far as it is wanted."""

from __future__ import annotations

import ssl
from typing import Protocol

import attrs
from yarl import URL

from sp00ky_transport_http.request import Request
from sp00ky_transport_http.response import MAX_RESULT_BYTES, Response

KEPT = 2 * MAX_RESULT_BYTES
"""Bytes of a body that are kept: more than a result has, also where a content coding has made it longer."""

MAX_INTERIM = 16
"""Informational (1xx) heads that are read before a response; a backend that sends more is hung up on."""

_HEADS = 1_048_576  # bytes for heads and a short body
_OVERHEAD = 4  # times the limit that a body may take on the wire: chunks may be tiny


def room(limit: int) -> int:
    """Return how many bytes a response may take on the wire, of whose body ``limit`` bytes are read."""
    return _HEADS + _OVERHEAD * limit


@attrs.define(kw_only=True, eq=False)
class Exchange:
    """One request on its way, and what has come back so far: it stays true when the engine is cancelled.

    Attributes:
        request: To be sent, once.
        limit: Bytes of the body that are read.
        fresh: Take a new connection, and keep it for no other request.
        tls: How TLS is spoken; None: with the system's authorities and no certificate.
        proxy: Through which HTTP proxy; may hold a user and a password.
        is_connected: Anything can have been sent.
        head: The response as soon as its head has come whole, without its body.
        body: As much of it as is of use.
        size: Bytes of it that were read.
        complete: All of the body was read.
        problem: Why the engine hung up, in words that quote nothing.
    """

    request: Request
    limit: int
    fresh: bool = False
    tls: ssl.SSLContext | None = None
    proxy: URL | None = attrs.field(default=None, repr=False)
    is_connected: bool = False
    head: Response | None = None
    body: bytearray = attrs.field(factory=bytearray)
    size: int = 0
    complete: bool = False
    problem: str = ""

    def take(self, chunk: bytes) -> bool:
        """Take a piece of the body; False: it is longer than what is read of it."""
        self.size += len(chunk)
        self.body += chunk[: max(min(KEPT, self.limit) - len(self.body), 0)]
        return self.size <= self.limit

    @property
    def response(self) -> Response | None:
        """The response as far as it has come; None before its head was whole."""
        head = self.head
        if head is None:
            return None
        return Response(
            status=head.status,
            phrase=head.phrase,
            headers=head.headers,
            body=bytes(self.body),
            complete=self.complete,
        )


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

    async def run(self, exchange: Exchange) -> None:
        """Send the request, once, and write into the exchange what comes back.

        A head that has come whole decides: whatever goes wrong after it only leaves ``complete`` false.
        Cancelling it closes the connection; it keeps no time itself. However it ends, the connection is
        either fit for another request or closed.

        Raises:
            ExchangeFailed: no whole head has come.
        """
