"""What aiohttp's connections do differently here: a response head is never lost."""

from __future__ import annotations

import functools
import re
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["Connector", "is_new", "mark_used", "status_before"]

_HEAD = re.compile(rb"HTTP/1\.[01] ([2-9][0-9]{2})[ \r][^\n]*\n(?:[^\r\n]+\r\n)*\r\n")


def status_before(error: Exception) -> int | None:
    """The status of a response whose head was whole, but was followed by bytes that aren't HTTP."""
    status = getattr(error, "status_before", None)
    return status if isinstance(status, int) else None


def is_new(protocol: ResponseHandler) -> bool:
    """Whether nothing has been sent on a connection, so that whatever has come on it wasn't asked for."""
    return isinstance(protocol, _HeadKeepingProtocol) and protocol.is_new


def mark_used(protocol: ResponseHandler) -> None:
    """Something is about to be sent."""
    if isinstance(protocol, _HeadKeepingProtocol):
        protocol.is_new = False


class Connector(aiohttp.TCPConnector):
    """aiohttp's connector, with connections that keep what they know of a response when its body is bad."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # aiohttp has no public place for this. Without it the class is the plain connector, and only what
        # the protocol below says is lost; the tests tell.
        make = functools.partial(_HeadKeepingProtocol, loop=self._loop)
        self._factory = make  # type: ignore[assignment]  # typed as aiohttp's own class exactly


class _HeadKeepingProtocol(ResponseHandler):
    """Bytes that aren't HTTP don't undo the response head before them.

    aiohttp parses a packet as a whole: a bad chunk size, or a body on a 204, that comes in the same packet
    as the head hides the head, and a job that was delivered would be sent again. In a later packet, it
    leaves the reader of the body waiting.
    """

    is_new = True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        error = self.exception()
        if isinstance(error, HttpProcessingError):
            self._keep_head(error, data)
            self._end_body(error)

    def _keep_head(self, error: HttpProcessingError, data: bytes) -> None:
        head = _HEAD.match(data)
        if head:
            error.status_before = int(head[1])  # type: ignore[attr-defined]  # read by status_before()

    def _end_body(self, error: HttpProcessingError) -> None:
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError(error.message))
