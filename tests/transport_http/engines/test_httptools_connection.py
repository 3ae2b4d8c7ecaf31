"""One connection, without a socket: what it writes, when it has a response, when it is fit for another."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import pytest
from yarl import URL

from sp00ky_transport_http.engines.exchange import Exchange, ExchangeFailed, Origin
from sp00ky_transport_http.engines.httptools_connection import Connection
from sp00ky_transport_http.request import Request, Template
from sp00ky_transport_http.response import Response

HEAD = b"HTTP/1.1 200 OK\r\n"
SIZED = HEAD + b"Content-Length: 2\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = 1_048_576


class Wire(asyncio.Transport):
    """A transport that takes bytes until it has more than it wants at once."""

    def __init__(self, protocol: Connection, room: float = float("inf")) -> None:
        super().__init__()
        self.written, self.is_aborted, self._room, self._protocol = bytearray(), False, room, protocol
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        self.unsent += len(data)
        if self.unsent > self._room:
            self._protocol.pause_writing()

    def flush(self) -> None:
        """Send what was written."""
        self.unsent = 0
        self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return 0 if self._room == float("inf") else self.unsent

    def abort(self) -> None:
        self.is_aborted = True


class Scene:
    """A connection, what it writes to, and one exchange on it."""

    def __init__(self, *, method: str = "POST", body: bytes = b"{}", room: float = float("inf")) -> None:
        self.opened: set[Connection] = set()
        self.kept: list[Connection] = []
        self.connection = Connection(self.opened, lambda _, connection: self.kept.append(connection))
        self.wire = Wire(self.connection, room)
        self.connection.connection_made(self.wire)
        template = Template(method=method, url=URL("http://x.test/"), headers={})
        request = Request(template=template, job_id="job:1", own={}, body=body)
        self.exchange = Exchange(request=request, origin=Origin("x.test", 80), limit=MEBIBYTE)

    def start(self) -> Scene:
        self.waiter = self.connection.start(self.exchange)
        return self

    def receive(self, *packets: bytes) -> Scene:
        for packet in packets:
            self.connection.data_received(packet)
        return self

    def response(self) -> Response:
        found = self.exchange.response
        assert found is not None
        return found

    def failure(self) -> ExchangeFailed:
        failure = self.waiter.exception()
        assert isinstance(failure, ExchangeFailed)
        return failure


@pytest.mark.parametrize(
    ("packets", "method"),
    [
        ([SIZED + b"{}"], "POST"),
        ([SIZED, b"{", b"}"], "POST"),
        ([CHUNKED, b"2\r\n{}\r\n0\r\n", b"\r\n"], "POST"),
        ([b"HTTP/1.1 204 No\r\n\r\n"], "POST"),
        ([b"HTTP/1.1 304 No\r\nContent-Length: 10\r\n\r\n"], "GET"),
        ([b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"], "POST"),
    ],
)
async def test_after_a_whole_response_it_is_fit_for_another(packets: Sequence[bytes], method: str) -> None:
    scene = Scene(method=method).start().receive(*packets)
    assert scene.waiter.result() is None
    assert scene.response().complete
    assert (scene.connection.is_open, scene.kept) == (True, [scene.connection])
    assert not scene.wire.is_aborted


@pytest.mark.parametrize(
    ("packet", "complete"),
    [
        (HEAD + b"Content-Length: 0\r\nConnection: close\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc", True),
        (b"HTTP/1.1 101 Switching\r\n\r\nabc", True),
        (SIZED + b"{}x", True),
        (CHUNKED + b"ghost\r\n", False),
        (SIZED.replace(b": 2", b": 2000000") + b"x" * (MEBIBYTE + 1), False),
    ],
)
async def test_after_any_other_it_is_closed(packet: bytes, complete: bool) -> None:
    scene = Scene().start().receive(packet)
    assert scene.waiter.result() is None
    assert scene.response().complete is complete
    assert scene.wire.is_aborted
    assert (scene.connection.is_open, scene.kept) == (False, [])


async def test_a_head_ends_the_response_to_a_head() -> None:
    scene = Scene(method="HEAD", body=b"").start().receive(HEAD + b"Content-Length: 9\r\n\r\n")
    assert scene.waiter.result() is None
    assert scene.response().complete
    assert scene.wire.is_aborted  # the parser would go on waiting


@pytest.mark.parametrize(
    ("head", "complete"),
    [
        (HEAD + b"\r\n", True),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", True),
        (SIZED, False),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", False),
    ],
)
@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_a_body_may_end_with_the_connection(
    head: bytes, complete: bool, error: Exception | None
) -> None:
    scene = Scene().start().receive(head)
    if error is None:
        scene.connection.eof_received()
    scene.connection.connection_lost(error)
    assert scene.waiter.result() is None
    assert scene.response().complete is (complete and error is None)
    assert scene.connection.lost.done()
    assert not scene.opened


@pytest.mark.parametrize(
    "error", [None, ConnectionResetError(104, "x"), ssl.SSLError(1, "x")], ids=["none", "reset", "tls"]
)
async def test_a_connection_that_is_lost_before_a_head_is_a_reset(error: Exception | None) -> None:
    scene = Scene().start().receive(b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 2")
    scene.connection.connection_lost(error)
    assert scene.failure().name == "reset"
    assert scene.exchange.response is None


async def test_a_connection_that_was_lost_before_the_request_is_a_reset() -> None:
    scene = Scene()
    scene.connection.eof_received()
    assert scene.start().failure().name == "reset"
    assert scene.wire.written == b""


async def test_bytes_before_the_request_close_the_connection_and_nothing_is_sent() -> None:
    scene = Scene().receive(b"SSH-2.0")
    assert scene.wire.is_aborted
    assert scene.start().failure().name == "protocol"
    assert "before the request" in scene.failure().reason
    assert scene.wire.written == b""


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (b"HTTP/1.1 100 More\r\n\r\n" * 17 + SIZED + b"{}", "more than 16 informational heads"),
        (HEAD + b"X: " + b"x" * 70_000, "head is longer"),
        (b"\r\n" * 40_000, "head is longer"),
        (HEAD + b"gh0st\r\n\r\n", "Invalid header token"),
    ],
)
async def test_what_is_no_head_is_not_waited_for(packet: bytes, says: str) -> None:
    scene = Scene().start().receive(packet)
    assert scene.failure().name == "protocol"
    assert says in scene.failure().reason
    assert scene.wire.is_aborted


async def test_headers_are_found_in_lower_case_the_first_counts_and_trailers_are_none() -> None:
    head = HEAD + b"X: 1\r\nDate: 1\r\nDATE: 2\r\ndate: 3\r\nDate: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    scene = Scene()
    for _ in range(2):
        response = scene.start().receive(head + b"0\r\nRetry-After: 9\r\n\r\n").response()
        assert response.headers == {"date": "1", "transfer-encoding": "chunked"}
        assert (response.status, response.phrase) == (200, "OK")


async def test_a_long_body_is_written_as_it_is_taken() -> None:
    body = bytes(range(256)) * 4_096
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    scene = Scene(body=body, room=100_000).start()
    turns = 0
    while len(scene.wire.written) < len(head) + len(body):
        assert scene.wire.unsent < 200_000
        scene.wire.flush()
        await asyncio.sleep(0)
        turns += 1
    assert turns > 5
    assert scene.wire.written == head + body
    scene.wire.flush()
    assert scene.receive(SIZED + b"{}").connection.is_reusable


async def test_a_response_before_all_is_written_ends_the_writing() -> None:
    scene = Scene(body=b"x" * MEBIBYTE, room=100_000).start().receive(SIZED + b"{}")
    written = len(scene.wire.written)
    scene.wire.flush()
    await asyncio.sleep(0)
    assert len(scene.wire.written) == written < MEBIBYTE
    assert scene.waiter.result() is None
    assert scene.wire.is_aborted
    assert not scene.connection.is_reusable


async def test_what_comes_after_a_cancellation_harms_nothing() -> None:
    scene = Scene().start()
    scene.waiter.cancel()
    scene.receive(SIZED + b"{}")
    scene.connection.connection_lost(None)
    assert scene.response().status == 200
    assert scene.waiter.cancelled()


async def test_a_write_that_fails_at_once_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()

    def fail(_: bytes) -> None:
        raise RuntimeError("the handler is closed")

    monkeypatch.setattr(scene.wire, "write", fail)
    with pytest.raises(RuntimeError, match="closed"):
        scene.start()
    scene.connection.connection_lost(None)
    assert (scene.wire.is_aborted, scene.connection.is_open, scene.kept) == (True, False, [])


async def test_only_the_exchange_that_is_under_way_is_cut_off() -> None:
    scene = Scene().start().receive(SIZED + b"{}")
    scene.connection.cut_off(scene.exchange)
    assert scene.connection.is_open  # it may have another one by now
    scene.start().connection.cut_off(scene.exchange)
    assert scene.wire.is_aborted
