"""Send requests with aiohttp's ClientSession, each of them once."""

from __future__ import annotations

import io
import re
import ssl
from contextvars import ContextVar
from typing import Any

import aiohttp
import attrs
from aiohttp.connector import Connection

from sp00ky_core.outcome import CONNECT, PROTOCOL, RESET, TLS
from sp00ky_transport_http.engines.aiohttp_framing import Framing
from sp00ky_transport_http.engines.engine import Exchange, ExchangeFailed, room
from sp00ky_transport_http.request import Request
from sp00ky_transport_http.response import Response

_IDLE = 4.0  # seconds that a connection is kept unused: less than the 5 s after which many servers close it
_LONG = 1_048_576  # bytes of a body that aiohttp takes at once
_UNTIMED = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_QUOTED = re.compile(r"""['"\\:\n]""")  # where aiohttp begins to quote what it couldn't read


class AiohttpEngine:
    """Sends with two sessions: one keeps its connections, the other has a new one for each request.

    How many connections there may be is the caller's to bound.
    """

    def __init__(self) -> None:
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the sessions; opening an open engine does nothing."""
        if self._kept is None:
            self._kept = _session(keepalive_timeout=_IDLE)
            self._fresh = _session(force_close=True)

    async def close(self) -> None:
        """Close every connection; closing a closed engine does nothing."""
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()
        self._kept = self._fresh = None

    async def run(self, exchange: Exchange) -> None:
        """Send the request, once, and write into the exchange what comes back; see ``Engine``."""
        session = self._fresh if exchange.fresh else self._kept
        if session is None:
            raise RuntimeError("the engine isn't open")
        request, mark = exchange.request, _current.set(_Sending(exchange=exchange))
        try:
            response = await session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=_data(request),
                allow_redirects=False,
                ssl=exchange.tls or True,
                proxy=exchange.proxy,
                read_bufsize=room(exchange.limit),  # so that aiohttp never holds back what was passed to it
            )
        finally:
            _current.reset(mark)
        try:
            await _read_body(response, exchange)
        finally:
            if response.connection is not None:  # not released, so not fit for another request
                response.close()


@attrs.define(kw_only=True, eq=False)
class _Sending:
    """An exchange in its task, and the connection that it got."""

    exchange: Exchange
    framing: Framing | None = None


_current: ContextVar[_Sending] = ContextVar("sending")


class _Connector(aiohttp.TCPConnector):
    """aiohttp's connector, whose connections pass on a response head by head."""

    async def connect(self, *args: Any, **options: Any) -> Connection:
        """Get a connection, framed."""
        connection = await super().connect(*args, **options)
        sending = _current.get()
        sending.exchange.is_connected = True
        if connection.transport is not None:
            sending.framing = Framing.of(connection.transport)
            sending.framing.expect(sending.exchange)
        return connection


def _session(**options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_Connector(limit=0, **options),
        auto_decompress=False,  # done here, bounded, and so that a bad coding can't undo a delivery
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_once,),
        timeout=_UNTIMED,  # the attempt's own timeout covers everything
        trust_env=False,
    )


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request and take its response's head; a middleware of aiohttp.

    A session sends an idempotent request again after some of aiohttp's errors. Here they become errors of
    the transport, which no one sends again for.
    """
    sending = _current.get()
    exchange = sending.exchange
    try:
        response = await send(request)
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not reach the session
        raise _failure(error, sending) from _cause(error)
    exchange.head = Response(status=response.status, phrase=response.reason or "", headers=response.headers)
    if sending.framing is not None:
        sending.framing.begin_body(response)
    return response


def _data(request: Request) -> io.BytesIO | bytes | None:
    if len(request.body) > _LONG:
        return io.BytesIO(request.body)
    return request.body or None


async def _read_body(response: aiohttp.ClientResponse, exchange: Exchange) -> None:
    try:
        async for chunk in response.content.iter_any():
            if not exchange.take(chunk):
                return
    except Exception:  # noqa: BLE001  # the head has come, and decides
        return
    exchange.complete = True


def _failure(error: Exception, sending: _Sending) -> ExchangeFailed:
    """Translate an error of aiohttp, in words that quote nothing of a response."""
    exchange, origin = sending.exchange, _origin(error)
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(origin, ssl.SSLError | ssl.CertificateError):
        name, reason = TLS, f"no secure connection: {origin}"
    elif not exchange.is_connected:
        name, reason = CONNECT, f"no connection{_to_where(error, origin)}"
    elif problem := exchange.problem or _problem(error, sending.framing):
        name, reason = PROTOCOL, f"the response is not HTTP: {problem}"
    elif isinstance(error, aiohttp.ClientConnectionError | OSError):
        said = f": {error}" if isinstance(error, OSError) else ""
        name, reason = RESET, f"the connection closed before a whole response head{said}"
    else:
        name, reason = PROTOCOL, f"the request failed: {type(error).__name__}"
    return ExchangeFailed(name=name, reason=reason)


def _problem(error: Exception, framing: Framing | None) -> str:
    """Return what was wrong with bytes that came back, without what aiohttp quotes of them; else nothing."""
    if isinstance(error, aiohttp.ClientResponseError):
        return _QUOTED.split(error.message.strip())[0].strip() or "it can't be read"
    if isinstance(error, aiohttp.ClientConnectionError) and framing is not None and framing.is_silent:
        return "it began before the request"  # that is why aiohttp has closed the connection itself
    return ""


def _origin(error: Exception) -> BaseException:
    """Return the system's or the TLS library's error behind one of aiohttp's, or the error itself."""
    for name in ("os_error", "certificate_error", "__cause__"):
        origin = getattr(error, name, None)
        if isinstance(origin, OSError | ssl.CertificateError):
            return origin
    return error


def _to_where(error: Exception, origin: BaseException) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f": the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f" to the proxy: {origin}"
    return f": {origin if isinstance(origin, OSError) else type(origin).__name__}"


def _cause(error: Exception) -> BaseException | None:
    """Return the error to chain: the system's own, for aiohttp's may hold what a backend sent."""
    origin = _origin(error)
    return origin if isinstance(origin, OSError) else None
