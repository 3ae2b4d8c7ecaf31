"""Send a request over a connection, and read its response with httptools' parser."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from sp00ky_core.job.outcome import PROTOCOL, RESET
from sp00ky_transport_http.engines.exchange import MAX_INTERIM, Exchange, ExchangeFailed, Origin, room
from sp00ky_transport_http.engines.proxy import addressed
from sp00ky_transport_http.response import READ, Response

_SWITCHING = 101  # what follows it isn't HTTP any more, so it is a response like any other
_LONGEST_HEAD = 65_536  # bytes that are read before a whole response head, informational heads included
_BODILESS = frozenset({"GET", "HEAD"})  # which need no Content-Length where there is no body
_PIECE = 65_536  # bytes of a body that are written at once
_NAMES = {name.encode(): name for name in READ}
_TOO_LONG = "its head is longer than what is read of it"
_TOO_MANY = f"more than {MAX_INTERIM} informational heads"


class _Stop(Exception):
    """Stops the parser: no more of the response is wanted."""


class Connection(asyncio.Protocol):
    """One connection to a backend, for one exchange after another; httptools' parser calls its ``on_...``.

    Attributes:
        is_open: It can be written to, as far as is known.
        is_reusable: The exchange has left it fit for another one.
        kept_since: The loop's time when it was last put by.
        lost: Done when the connection is closed.
    """

    is_open: bool = False
    is_reusable: bool = False
    kept_since: float = 0.0
    _transport: asyncio.Transport
    _waiter: asyncio.Future[None]
    _exchange: Exchange | None = None
    _failure: ExchangeFailed | None = None
    _unsent: bytes | memoryview = b""
    _is_paused = False

    def __init__(self, opened: set[Connection], keep: Callable[[Origin, Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened = opened  # of its pool: it is in there while it isn't closed
        self._keep = keep  # called when it is fit for another exchange
        self._phrase: list[bytes] = []
        self.on_status: Callable[[bytes], None] = self._phrase.append  # the words beside a status, in pieces
        self._fields: dict[bytes, bytes] = {}  # of several headers with the same name the first counts
        self.on_header: Callable[[bytes, bytes], bytes] = (
            self._fields.setdefault
        )  # the parser's call: of trailers too, which no one reads
        self._parser = _parser(self)
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def start(self, exchange: Exchange) -> asyncio.Future[None]:
        """Send the exchange's request; the future raises ``ExchangeFailed`` if no whole head has come.

        At its end the connection is kept for another exchange, or closed. If the future is cancelled, it is
        to be cut off.
        """
        self._exchange, request = exchange, exchange.request
        self._waiter = self._loop.create_future()
        self._received = self._interim = 0
        self.is_reusable = self._is_whole = False
        if not self.is_open:
            self._end(self._failure or _closed(None))
            return self._waiter
        own = ""
        for name, value in request.own.items():  # the request has checked what is in them
            own += f"{name}: {value}\r\n"
        if request.body or request.template.method not in _BODILESS:
            own += f"Content-Length: {len(request.body)}\r\n"
        head = request.template.head + f"{own}\r\n".encode()
        if (proxy := exchange.origin.proxy) and not exchange.origin.tls:
            head = addressed(head, request.template.url, proxy)
        try:
            if len(request.body) <= _PIECE:
                self._transport.write(head + request.body)
            else:
                self._transport.write(head)
                self._unsent = memoryview(request.body)
                self._write()
        except BaseException:  # uvloop's, of a connection whose loss it hasn't told yet
            self.abort()
            raise
        return self._waiter

    def cut_off(self, exchange: Exchange) -> None:
        """Close the connection, unless the exchange over it has ended, and another one may have begun."""
        if self._exchange is exchange:
            self.abort()

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Speak TLS from here on, with a server of that name.

        Raises:
            OSError: the connection was closed, or the server can't be trusted.
        """
        if not self.is_open:
            raise ConnectionResetError("closed before TLS began")
        try:
            secure = await self._loop.start_tls(self._transport, self, context, server_hostname=name)
        except BaseException:
            self.abort()
            self._note_loss()  # asyncio doesn't say so before TLS is spoken
            raise
        if secure is None:
            raise ConnectionResetError("closed while TLS began")
        self._transport = secure

    def abort(self) -> None:
        """Close the connection at once, whatever is under way."""
        self.is_open = self.is_reusable = False
        self._exchange, self._unsent = None, b""
        self._transport.abort()

    # --- the transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Get ready for the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self.is_open = True
        self._opened.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; bytes that no request asked for close the connection."""
        exchange = self._exchange
        if exchange is None:
            self._failure = _not_http("it began before the request")
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_reusable = False
            self._end(self._failure or _not_http(str(error)))
            return
        if self._is_whole:
            self._end(None)
            return
        self._received += len(data)
        if exchange.response is None and self._received > _LONGEST_HEAD:
            self._end(_not_http(_TOO_LONG))
        elif self._received > room(exchange.limit):
            self._end(None)

    def eof_received(self) -> None:
        """End the exchange; the transport closes itself."""
        self._lose(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange, if there is one."""
        self._lose(exc)
        self._note_loss()
        del self._parser  # which refers to this object

    def pause_writing(self) -> None:
        """Write no more for now."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on writing, after what else is due."""
        self._is_paused = False
        if self._unsent:
            self._loop.call_soon(self._write)

    # --- the parser's calls ---

    def on_message_begin(self) -> None:
        """Begin a response; one that follows a whole response was asked for by no request."""
        if self._is_whole:
            raise _Stop
        self._fields.clear()
        self._phrase.clear()

    def on_headers_complete(self) -> None:
        """Note a whole head: it decides, whatever follows."""
        exchange, status = self._exchange, self._parser.get_status_code()
        if exchange is None:
            raise _Stop
        if status // 100 == 1 and status != _SWITCHING:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self._failure = _not_http(_TOO_MANY)
                raise _Stop
            return
        phrase = b"".join(self._phrase).decode(errors="surrogateescape")
        more = exchange.read.lower() if exchange.read else None
        names = {**_NAMES, more.encode(): more} if more else _NAMES
        headers: dict[str, str] = {}  # not dict[str, str](), which takes as long as the rest
        for written, value in self._fields.items():
            name = names.get(written.lower())
            if name is not None and name not in headers:  # something is made of it
                headers[name] = value.decode("latin-1")
        exchange.response = Response(status=status, phrase=phrase, headers=headers, complete=False)
        if exchange.request.template.method == "HEAD":  # the parser would wait for the body that is described
            exchange.response.complete = True
            raise _Stop

    def on_body(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        exchange = self._exchange
        if exchange is None or exchange.response is None or not exchange.take(exchange.response, chunk):
            raise _Stop

    def on_message_complete(self) -> None:
        """Note that the response has come whole; an informational head is none."""
        exchange = self._exchange
        if exchange is not None and exchange.response is not None:
            exchange.response.complete = self._is_whole = True
            self.is_reusable = self._parser.should_keep_alive()

    # --- writing, ending ---

    def _write(self) -> None:
        """Write what the transport takes: a body is never copied whole."""
        while self._unsent and not self._is_paused:
            piece, self._unsent = self._unsent[:_PIECE], self._unsent[_PIECE:]
            self._transport.write(piece)

    def _note_loss(self) -> None:
        self._opened.discard(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def _lose(self, exc: Exception | None) -> None:
        self.is_open = self.is_reusable = False
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.response is not None and exc is None:
            exchange.response.complete = _ends_with_connection(exchange.response)
        self._end(_closed(exc))

    def _end(self, failure: ExchangeFailed | None) -> None:
        """End the exchange; the failure counts where no whole head has come."""
        exchange, self._exchange = self._exchange, None
        if self.is_reusable and (self._unsent or self._transport.get_write_buffer_size()):
            self.is_reusable = False  # the response came before all of the request was sent
        if exchange is not None and self.is_reusable and not exchange.fresh:
            self._keep(exchange.origin, self)
        else:
            self.abort()
        if self._waiter.done():
            return
        if failure is None or (exchange is not None and exchange.response is not None):
            self._waiter.set_result(None)
        else:
            self._waiter.set_exception(failure)


def _parser(connection: Connection) -> HttpResponseParser:
    """Return a parser that takes what aiohttp's takes, which is the same library."""
    parser = HttpResponseParser(connection)
    parser.set_dangerous_leniencies(
        lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
    )
    return parser


def _ends_with_connection(response: Response) -> bool:
    """Say whether a body has no other end than the connection's."""
    codings = response.headers.get("transfer-encoding")
    if codings is not None:
        return codings.rpartition(",")[2].strip().lower() != "chunked"
    return "content-length" not in response.headers


def _closed(error: Exception | None) -> ExchangeFailed:
    said = f": {error}" if isinstance(error, OSError) else ""
    return ExchangeFailed(name=RESET, reason=f"the connection closed before a whole response head{said}")


def _not_http(problem: str) -> ExchangeFailed:
    return ExchangeFailed(name=PROTOCOL, reason=f"the response is not HTTP: {problem}")
