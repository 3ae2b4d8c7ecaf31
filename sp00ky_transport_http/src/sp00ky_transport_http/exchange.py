"""One request and its response, read as far as it is wanted."""

from __future__ import annotations

import aiohttp

from sp00ky_transport_http.classify import Response
from sp00ky_transport_http.connection import no_resend, status_before
from sp00ky_transport_http.request import Request

__all__ = ["Exchange"]

_SENT_ONCE = frozenset({"POST", "PATCH"})  # aiohttp repeats none of these by itself


class Exchange:
    """Sends a request and keeps what has come back, also when the rest never comes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit  # bytes of the body that are read
        self._head: aiohttp.ClientResponse | None = None
        self._body = bytearray()
        self._complete = False

    async def run(self, session: aiohttp.ClientSession, request: Request) -> Response:
        """Send, and read the response up to the limit.

        Raises what aiohttp raises; ``begun`` tells what had come before. However it ends, the connection is
        either fit for another request or closed.
        """
        self._head = head = await session.request(
            request.method,
            request.url,
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
            middlewares=() if request.method in _SENT_ONCE else (no_resend,),
        )
        try:
            self._complete = await self._read(head.content)
        finally:
            if self._complete:
                head.release()
            else:
                head.close()
        return self._response(head)

    async def _read(self, content: aiohttp.StreamReader) -> bool:
        while chunk := await content.readany():
            self._body += chunk
            if len(self._body) > self._limit:
                del self._body[self._limit :]
                return False
        return True

    def begun(self, error: Exception) -> Response | None:
        """The response that ``run`` had begun to read when it failed; None if its head wasn't there yet."""
        if self._head is not None:
            return self._response(self._head)
        status = status_before(error)
        return None if status is None else Response(status=status, complete=False)

    def _response(self, head: aiohttp.ClientResponse) -> Response:
        return Response(
            status=head.status,
            phrase=head.reason or "",
            headers=head.headers,
            body=bytes(self._body),
            complete=self._complete,
        )
