"""Backends that send without end: what they cost is bounded, and other backends' jobs don't wait for them."""

import asyncio
import contextlib
import socket
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from tests.transport_http.engine import EngineTransport

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_transport_http import HttpTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Flood:
    """A backend in a thread, so that no event loop holds it back: sends some bytes, then others for ever.

    It reads a request first, and ends with its client's connection.
    """

    def __init__(self, first: bytes, then: bytes) -> None:
        self._first, self._then = first, then * (65_536 // len(then) + 1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.hung_up = threading.Semaphore(0)  # released for each client that closed its connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._send, args=(client,)))
                self._threads[-1].start()

    def _send(self, client: socket.socket) -> None:
        with client, contextlib.suppress(ConnectionError):
            client.recv(65_536)
            client.sendall(self._first)
            while True:
                client.sendall(self._then)
        self.hung_up.release()


@contextlib.contextmanager
def flood(first: bytes, then: bytes) -> Iterator[Flood]:
    backend = Flood(first, then)
    try:
        yield backend
    finally:
        backend.close()


def outcome_of(engine: str, first: bytes, then: bytes, *, timeout: float = 20) -> Outcome:
    """Of one attempt at such a backend, which has seen the connection closed."""

    async def deliver(url: str) -> Outcome:
        transport = EngineTransport(engine)
        await transport.open()
        try:
            return await transport.deliver(attempt_for(url, "/json", timeout=timeout))
        finally:
            await transport.close()

    with flood(first, then) as backend:
        outcome = asyncio.run(deliver(backend.url))
        backend.hung_up.acquire()
    return outcome


@pytest.mark.parametrize("status", [100, 103, 199])
def test_informational_heads_without_end_are_no_http(engine: str, status: int) -> None:
    outcome = outcome_of(engine, b"", b"HTTP/1.1 %d More\r\n\r\n" % status)
    assert isinstance(outcome, Undelivered)
    assert (outcome.code, outcome.name) == (0, "protocol")
    assert "16 informational heads" in outcome.reason


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n"])
@pytest.mark.parametrize("then", [b"X-More: %s\r\n" % (b"x" * 500), b"X-Most: " + b"x" * 65_536])
def test_a_head_without_end_is_no_http(engine: str, first: bytes, then: bytes) -> None:
    outcome = outcome_of(engine, b"HTTP/1.1 200 OK\r\n" + first, then)
    assert isinstance(outcome, Undelivered)
    assert (outcome.code, outcome.name) == (0, "protocol")


def test_empty_lines_without_end_are_no_http(engine: str) -> None:
    outcome = outcome_of(engine, b"", b"\r\n")
    assert isinstance(outcome, Undelivered)
    assert (outcome.code, outcome.name) == (0, "protocol")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (CHUNKED + b"1;", b"extension=" + b"x" * 500),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Trailer: x\r\n"),
        (CHUNKED, b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    ],
    ids=["extension", "trailers", "tiny chunks", "body"],
)
def test_after_its_head_a_response_without_end_is_cut_off(engine: str, first: bytes, then: bytes) -> None:
    assert outcome_of(engine, first, then) == Delivered(code=200)


async def test_what_comes_after_a_response_is_not_kept(transport: HttpTransport) -> None:
    with flood(OK, OK) as backend:
        tracemalloc.start()
        try:
            outcome = await transport.deliver(attempt_for(backend.url, "/json"))
            await asyncio.to_thread(backend.hung_up.acquire)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert outcome == Delivered(code=200, result=b"{}")
    assert peak < 10_000_000


async def test_another_backends_jobs_are_delivered_meanwhile(transport: HttpTransport) -> None:
    """While one is flooding, for much longer than the others' jobs have time."""
    with flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n") as bad:
        async with MisbehavingBackend() as good:
            floods = [transport.deliver(attempt_for(bad.url, "/json", timeout=20)) for _ in range(8)]
            jobs = [transport.deliver(attempt_for(good.url, "/json", timeout=10)) for _ in range(20)]
            outcomes = await asyncio.gather(*floods, *jobs)
    assert [outcome.name for outcome in outcomes[:8] if isinstance(outcome, Undelivered)] == ["protocol"] * 8
    assert all(isinstance(outcome, Delivered) for outcome in outcomes[8:])
