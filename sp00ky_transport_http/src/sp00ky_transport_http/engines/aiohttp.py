"""Send requests with aiohttp's ClientSession, each of them once."""

from __future__ import annotations

import io
import re
import ssl
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.connector import Connection

from sp00ky_core.job.outcome import CONNECT, PROTOCOL, RESET, TLS
from sp00ky_transport_http.engines.aiohttp_framing import Framing
from sp00ky_transport_http.engines.exchange import Exchange, ExchangeFailed, room
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
        answer = await _sent(session, exchange)
        response = exchange.response = _head(answer)
        try:
            await _read_body(answer.content, exchange, response)
        finally:
            if answer.connection is not None:  # not released, so not fit for another request
                answer.close()

    def cut_off(self, exchange: Exchange) -> None:
        """Do nothing: aiohttp closes the connection of a request that is cancelled; see ``Engine``."""


_current: ContextVar[Exchange] = ContextVar("exchange")  # of a task


class _Connector(aiohttp.TCPConnector):
    """aiohttp's connector, whose connections pass on a response head by head."""

    async def connect(self, *args: Any, **options: Any) -> Connection:
        """Get a connection, framed."""
        connection = await super().connect(*args, **options)
        exchange, transport = _current.get(), connection.transport
        exchange.connection = connection
        if transport is not None:  # it may be lost already
            exchange.connection = framing = Framing.of(transport)
            framing.expect(exchange)
        return connection


def _session(**options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_Connector(limit=0, **options),
        auto_decompress=False,  # done here, bounded, and so that a bad coding can't undo a delivery
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_UNTIMED,  # the attempt's own timeout covers everything
        trust_env=False,
    )


async def _sent(session: aiohttp.ClientSession, exchange: Exchange) -> aiohttp.ClientResponse:
    """Send a request, once, and read its response's head. Raises ``ExchangeFailed``."""
    request, template = exchange.request, exchange.request.template
    mark = _current.set(exchange)
    try:
        answer = await session.request(
            template.method,
            template.url,
            headers=request.headers,
            data=_data(request),
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),  # there is none where there is no body
            ssl=exchange.origin.tls or True,
            proxy=exchange.origin.proxy,
            read_bufsize=room(exchange.limit),  # so that aiohttp never holds back what was passed to it
            middlewares=() if template.method == "POST" else (_once,),
        )
    except Exception as error:  # noqa: BLE001  # whatever it is, it is no response
        raise _failure(error, exchange) from _cause(error)
    finally:
        _current.reset(mark)
    if isinstance(exchange.connection, Framing):
        exchange.connection.begin_body(answer)
    return answer


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Let no error of aiohttp reach the session, which sends idempotent requests again after some of them."""
    try:
        return await send(request)
    except Exception as error:  # noqa: BLE001  # see above
        raise _failure(error, _current.get()) from _cause(error)


def _data(request: Request) -> aiohttp.Payload | None:
    if len(request.body) > _LONG:
        return aiohttp.BytesIOPayload(io.BytesIO(request.body))
    return aiohttp.BytesPayload(request.body) if request.body else None


def _head(answer: aiohttp.ClientResponse) -> Response:
    return Response(status=answer.status, phrase=answer.reason or "", headers=answer.headers, complete=False)


async def _read_body(content: aiohttp.StreamReader, exchange: Exchange, response: Response) -> None:
    try:
        while not content.at_eof():
            if not exchange.take(response, await content.readany()):
                return
    except Exception:  # noqa: BLE001  # the head has come, and decides
        return
    response.complete = True


def _failure(error: Exception, exchange: Exchange) -> ExchangeFailed:
    """Translate an error of aiohttp, in words that quote nothing of a response."""
    origin = _origin(error)
    if isinstance(error, ExchangeFailed):
        return error
    if exchange.connection is None:
        name, reason = _unconnected(error, origin)
    elif problem := exchange.problem or _problem(error, exchange.connection):
        name, reason = PROTOCOL, f"the response is not HTTP: {problem}"
    elif isinstance(error, aiohttp.ClientConnectionError | OSError):
        said = f": {error}" if isinstance(error, OSError) else ""
        name, reason = RESET, f"the connection closed before a whole response head{said}"
    else:
        name, reason = PROTOCOL, f"the request failed: {type(error).__name__}"
    return ExchangeFailed(name=name, reason=reason)


def _unconnected(error: Exception, origin: BaseException) -> tuple[str, str]:
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(origin, ssl.SSLError | ssl.CertificateError):
        return TLS, f"no secure connection: {origin}"
    return CONNECT, f"no connection{_to_where(error, origin)}"


def _problem(error: Exception, connection: object) -> str:
    """Return what was wrong with bytes that came back, without what aiohttp quotes of them; else nothing."""
    if isinstance(error, aiohttp.ClientResponseError):
        return _QUOTED.split(error.message.strip())[0].strip() or "it can't be read"
    if (
        isinstance(error, aiohttp.ClientConnectionError)
        and isinstance(connection, Framing)
        and connection.is_silent
    ):
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
