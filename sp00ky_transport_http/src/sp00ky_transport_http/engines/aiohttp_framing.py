"""Pass a connection's bytes on head by head, so that a bad body can't hide the head before it.

aiohttp parses all that a packet holds at once: a bad chunk in the packet of a head hides that head, and a
job that was delivered would be sent again; heads without end keep everything else waiting.
"""

from __future__ import annotations

import asyncio
import math
import re

import aiohttp

from sp00ky_transport_http.engines.exchange import MAX_INTERIM, Exchange, room

_BLANK_LINE = re.compile(rb"\n\r?\n")
_INFORMATIONAL = re.compile(rb"HTTP/\d\.\d 1(?!01)\d\d|$")  # after 101, what follows isn't HTTP any more
_HAS_BODY = re.compile(rb"http/1\.[01] (?!204|304)[2-5]\d\d ")
_STATUS = len(b"HTTP/1.1 100")  # bytes that say what kind of head it is
_PIECES = 16  # of a body that are passed on before others get their turn
_UNASKED = "no request asked for it"


class Framing(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol, and decides how much that gets at once.

    A head goes alone; the body follows once the head has been read. Only a response that comes in one packet,
    whose body can't be bad, goes whole. What comes after the response was asked for by no request: then the
    connection is closed.
    """

    _exchange: Exchange
    _response: aiohttp.ClientResponse
    _left: float | None  # bytes of the body that are still to come; None: only parsing them tells

    def __init__(self, transport: asyncio.Transport, inner: asyncio.Protocol) -> None:
        self._transport, self._inner = transport, inner
        self._buffer = b""
        self._passed = 0  # bytes of the buffer that were passed on
        self._searched = 0  # ... before which no blank line can begin any more
        self._is_held = False  # the head was passed on, and hasn't been read yet
        self._is_whole = False  # ... and with it the body
        self._is_waiting = self._is_paused = self._is_lost = False

    @classmethod
    def of(cls, transport: asyncio.Transport) -> Framing:
        """Return the framing of a connection; a new connection gets one."""
        inner = transport.get_protocol()
        if isinstance(inner, cls):
            return inner
        if not isinstance(inner, asyncio.Protocol):
            raise TypeError(f"expected a protocol that takes bytes, not {type(inner).__name__}")
        framing = cls(transport, inner)
        transport.set_protocol(framing)
        return framing

    def expect(self, exchange: Exchange) -> None:
        """Expect one response: a request is about to be sent."""
        self._exchange = exchange
        self._room = room(exchange.limit)
        self._status, self._interim = b"", 0
        self._awaits_head = self._is_first = True
        self._is_held = self._is_whole = False

    @property
    def is_silent(self) -> bool:
        """Say whether the backend has neither sent anything since ``expect`` nor closed the connection."""
        return self._is_first and not self._is_lost

    def begin_body(self, response: aiohttp.ClientResponse) -> None:
        """Pass on the body: the head has been read."""
        self._response = response
        self._is_held = False
        if not self._is_whole:
            self._left = _length(response)
            self._go_on()
        self._check_reader()

    def data_received(self, data: bytes) -> None:
        """Pass on what may go on now."""
        is_first, self._is_first = self._is_first, False
        self._room -= len(data)
        if is_first and self._room >= 0 and self._is_plain(data):
            self._awaits_head, self._is_held, self._is_whole, self._left = False, True, True, None
            self._inner.data_received(data)
            return
        self._buffer = self._buffer[self._searched :] + data
        self._passed, self._searched = self._passed - self._searched, 0
        if self._room < 0:
            self._hang_up("it is longer than what is read of it")
        elif self._is_held or self._is_waiting:
            self._pause()
        else:
            self._pass_on()

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on the rest, and that it was all."""
        self._is_lost = True
        while self._awaits_head and self._has_more:
            self._pass_head()
        self._pass_to(len(self._buffer))
        self._inner.connection_lost(exc)
        self._check_reader()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()

    @property
    def _has_more(self) -> bool:
        return self._passed < len(self._buffer)

    def _is_plain(self, data: bytes) -> bool:
        """Say whether this is a whole response, with a body of a stated length: nothing can hide its head."""
        head, _, body = data.lower().partition(b"\r\n\r\n")
        return (
            self._exchange.request.template.method != "HEAD"
            and _HAS_BODY.match(head) is not None
            and b"\r\ncontent-length: %d\r\n" % len(body) in head + b"\r\n"
            and b"\ntransfer-encoding" not in head
        )

    def _pass_on(self) -> None:
        for _ in range(_PIECES):
            if not self._has_more or self._is_held or self._is_waiting:
                return
            if self._awaits_head:
                self._pass_head()
            else:
                self._pass_body()
        self._wait_a_turn()

    def _pass_head(self) -> None:
        piece, is_whole = self._pass_to_blank_line()
        self._status = (self._status + piece).lstrip()[:_STATUS]
        if not is_whole:
            return
        if not _INFORMATIONAL.match(self._status):
            self._awaits_head, self._is_held = False, True
            return
        self._interim, self._status = self._interim + 1, b""
        if self._interim > MAX_INTERIM:
            self._hang_up(f"more than {MAX_INTERIM} informational heads")
        else:
            self._wait_a_turn()

    def _pass_body(self) -> None:
        if self._response.content.is_eof():
            self._hang_up(_UNASKED)
        elif self._left is None:
            self._pass_to_blank_line()
        else:
            size = min(self._left, len(self._buffer) - self._passed)
            self._left -= size
            self._pass_to(self._passed + int(size))
        self._check_reader()

    def _pass_to_blank_line(self) -> tuple[bytes, bool]:
        """Pass on all up to the end of a blank line; what that was, and whether there is a blank line."""
        since = self._searched
        match = _BLANK_LINE.search(self._buffer, since)
        end = match.end() if match else len(self._buffer)
        piece = self._pass_to(end)
        if not match:
            self._searched = max(since, end - 2)
        return piece, match is not None

    def _pass_to(self, end: int) -> bytes:
        piece = self._buffer[self._passed : end]
        self._passed = self._searched = end
        if piece:
            self._inner.data_received(piece)
        return piece

    def _check_reader(self) -> None:
        """Wake up the reader of a body that has ended badly; drop a request that isn't read any more."""
        if self._awaits_head or self._is_held:
            return
        content = self._response.content
        if content.is_eof():
            if self._has_more:
                self._hang_up(_UNASKED)
            elif self._transport.get_write_buffer_size():
                self._transport.abort()
        elif self._transport.is_closing() and content.exception() is None:
            self._response.close()

    def _wait_a_turn(self) -> None:
        """Let others run before more is passed on."""
        if not self._is_lost:
            self._is_waiting = True
            self._pause()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_waiting = False
        self._pass_on()
        if self._is_paused and not (self._is_held or self._is_waiting or self._is_lost):
            self._is_paused = False
            self._transport.resume_reading()

    def _pause(self) -> None:
        if not (self._is_paused or self._is_lost):
            self._is_paused = True
            self._transport.pause_reading()

    def _hang_up(self, problem: str) -> None:
        if self._awaits_head:
            self._exchange.problem = problem
        self._buffer, self._passed, self._searched = b"", 0, 0
        self._transport.abort()
        self._check_reader()


def _length(response: aiohttp.ClientResponse) -> float | None:
    """Return a body's length in bytes; infinity: it ends with the connection; None: it is chunked."""
    if "Transfer-Encoding" in response.headers:
        return None
    length = response.headers.get("Content-Length", "")
    return float(length) if length.isdecimal() else math.inf
