"""One request and its response, read as far as it is wanted, on a connection of aiohttp's."""

from __future__ import annotations

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

from sp00ky_transport_http.classify import Response
from sp00ky_transport_http.connection import Connector, is_new, mark_used, status_before
from sp00ky_transport_http.request import Request

__all__ = ["Exchange"]

_UNTIMED = aiohttp.ClientTimeout()  # the attempt's own timeout covers everything
_INFORMATIONAL = range(100, 200)
_SWITCHED = 101  # not informational: what follows isn't HTTP any more


class Exchange:
    """Sends a request and keeps what has come back, also when the rest never comes.

    It takes aiohttp's connections and its parser, and nothing of its ``ClientSession``: redirects, cookies,
    resends and a body that is written by a task of its own are what a delivery must not have, and making
    them ready for each request costs a third of it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit  # bytes of the body that are read
        self._head: RawResponseMessage | None = None
        self._body = b""
        self._complete = False
        self.is_connected = False  # whether anything can have been sent

    async def run(self, connector: Connector, place: aiohttp.ClientRequest, request: Request) -> Response:
        """Send, and read the response up to the limit.

        Raises what aiohttp raises; ``begun`` tells what had come before. However it ends, the connection is
        either fit for another request or closed.

        Args:
            connector: whose connections are used.
            place: names the host, the port and whether it speaks TLS.
            request: what to send.
        """
        connection, protocol = await self._connected(connector, place)
        try:
            head, content = await self._asked(protocol, request)
            await self._read(content)
            if self._complete and not _unsent(protocol):
                connection.release()
        finally:
            _close(connection)
        return self._response(head)

    async def _connected(
        self, connector: Connector, place: aiohttp.ClientRequest
    ) -> tuple[Connection, ResponseHandler]:
        while True:
            connection = await connector.connect(place, traces=[], timeout=_UNTIMED)
            protocol = connection.protocol
            if protocol is not None and (is_new(protocol) or not protocol.should_close):
                self.is_connected = True
                return connection, protocol
            connection.close()  # something came unasked since its last response: it would pass for the next

    async def _asked(
        self, protocol: ResponseHandler, request: Request
    ) -> tuple[RawResponseMessage, StreamReader]:
        mark_used(protocol)
        protocol.set_response_params(
            skip_payload=request.method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,  # done here, bounded, and so that a bad coding can't undo a delivery
        )
        if protocol.transport is not None:  # else reading says why
            protocol.transport.write(request.message)
        while True:
            head, content = await protocol.read()
            if head.code not in _INFORMATIONAL or head.code == _SWITCHED:
                self._head = head
                return head, content

    async def _read(self, content: StreamReader) -> None:
        if content.is_eof() and content.exception() is None:  # all of it came with the head
            self._body = content.read_nowait(-1)
        else:
            while chunk := await content.readany():
                self._body += chunk
                if len(self._body) > self._limit:
                    break
        self._complete = len(self._body) <= self._limit
        self._body = self._body[: self._limit]

    def begun(self, error: Exception) -> Response | None:
        """The response that ``run`` had begun to read when it failed; None if its head wasn't there yet."""
        if self._head is not None:
            return self._response(self._head)
        status = status_before(error)
        return None if status is None else Response(status=status, complete=False)

    def _response(self, head: RawResponseMessage) -> Response:
        return Response(
            status=head.code,
            phrase=head.reason or "",
            headers=head.headers,
            body=self._body,
            complete=self._complete,
        )


def _unsent(protocol: ResponseHandler) -> int:
    """Bytes of the request that the backend hasn't taken; it may answer before it has read everything."""
    return protocol.transport.get_write_buffer_size() if protocol.transport is not None else 0


def _close(connection: Connection) -> None:
    """Close what wasn't released; what is unsent is dropped, for a transport would wait to send it."""
    protocol = connection.protocol
    if protocol is not None:
        if protocol.transport is not None and _unsent(protocol):
            protocol.transport.abort()
        connection.close()
