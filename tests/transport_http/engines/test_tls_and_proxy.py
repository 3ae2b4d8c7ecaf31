"""TLS with authorities and certificates of one's own, and proxies, over real sockets."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trustme
from tests.transport_http.proxy import Proxy

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core.config import Secret, TlsConfig
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_transport_http import HttpTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingBackend]:
    async with MisbehavingBackend() as server:
        yield server


def through(attempt: Attempt, *, proxy: str | None = None, tls: TlsConfig | None = None) -> Attempt:
    secret = None if proxy is None else Secret(proxy)
    return attrs.evolve(attempt, backend=attrs.evolve(attempt.backend, proxy=secret, tls=tls))


class Authority:
    """Who vouches for the backend and for its client, and files that say so."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.ca, self.client = folder / "ca.pem", folder / "client.pem"
        self._ca.cert_pem.write_to_path(self.ca)
        self._ca.issue_cert("client.test").private_key_and_cert_chain_pem.write_to_path(self.client)

    def server(self, *, asks: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert("127.0.0.1").configure_cert(context)
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            self._ca.configure_trust(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def secure(authority: Authority, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of a backend with TLS; it asks for a certificate where the test's parameter is true."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"{}")
                writer.write(OK)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    context = authority.server(asks=getattr(request, "param", False))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


def failed(outcome: Outcome) -> tuple[int, str]:
    assert isinstance(outcome, Undelivered), outcome
    return outcome.code, outcome.name


async def test_the_backends_own_authority_is_trusted(
    transport: HttpTransport, secure: str, authority: Authority
) -> None:
    attempt = attempt_for(secure, "/json")
    assert failed(await transport.deliver(attempt)) == (0, "tls")
    for last in (False, False, True):
        tunnelled = through(attrs.evolve(attempt, last=last), tls=TlsConfig(ca=authority.ca))
        assert await transport.deliver(tunnelled) == Delivered(code=200, result=b"{}")


@pytest.mark.parametrize("secure", [True], indirect=True)
async def test_a_certificate_is_shown_to_who_asks(
    transport: HttpTransport, secure: str, authority: Authority
) -> None:
    known = TlsConfig(ca=authority.ca, cert=authority.client)
    attempt = attempt_for(secure, "/json")
    assert await transport.deliver(through(attempt, tls=known)) == Delivered(code=200, result=b"{}")
    code, name = failed(await transport.deliver(through(attempt, tls=TlsConfig(ca=authority.ca))))
    assert code == 0
    assert name in {"tls", "connect", "reset"}  # asyncio's servers may hang up before they say why


@pytest.mark.parametrize("last", [False, True])
async def test_tls_that_breaks_once_the_request_was_sent_is_a_reset(
    transport: HttpTransport, authority: Authority, last: bool
) -> None:
    def break_it(listener: socket.socket) -> bytes:
        with authority.server(asks=False).wrap_socket(listener.accept()[0], server_side=True) as secure:
            request = b""
            while not request.endswith(b"{}") and (more := secure.recv(65_536)):
                request += more
            os.write(secure.fileno(), b"what is no TLS")
            return request

    with socket.create_server(("127.0.0.1", 0)) as listener:
        attempt = attempt_for(f"https://127.0.0.1:{listener.getsockname()[1]}", "/json", last=last)
        breaking = asyncio.create_task(asyncio.to_thread(break_it, listener))
        outcome = await transport.deliver(through(attempt, tls=TlsConfig(ca=authority.ca)))
        assert (await breaking).startswith(b"POST /json ")
    assert failed(outcome) == (0, "reset")


async def test_https_goes_through_a_tunnel_and_the_proxy_reads_nothing(
    transport: HttpTransport, secure: str, authority: Authority
) -> None:
    async with Proxy(user="ghost", password="pa55word") as proxy:
        attempt = through(
            attempt_for(secure, "/json"),
            proxy=f"http://ghost:pa55word@{proxy.place}",
            tls=TlsConfig(ca=authority.ca),
        )
        for last in (False, False, True):
            outcome = await transport.deliver(attrs.evolve(attempt, last=last))
            assert outcome == Delivered(code=200, result=b"{}")
    assert [head.split("\r\n")[0] for head in proxy.heads] == [
        f"CONNECT {secure.removeprefix('https://')} HTTP/1.1"
    ] * 2
    assert b"conformance" not in proxy.carried + "".join(proxy.heads).encode()


async def test_the_proxys_password_is_for_the_proxy(
    transport: HttpTransport, server: MisbehavingBackend
) -> None:
    async with Proxy(user="ghost", password="pa55word") as proxy:
        url = f"http://ghost:pa55word@{proxy.place}"
        assert isinstance(
            await transport.deliver(through(attempt_for(server.url, "/json"), proxy=url)), Delivered
        )
    assert "proxy-authorization" in proxy.heads[0].lower()
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_wrong_password_is_said_without_it(
    transport: HttpTransport, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Proxy(user="ghost", password="another") as proxy:
        url = f"http://ghost:pa55word@{proxy.place}"
        outcome = await transport.deliver(through(attempt_for(f"{scheme}://127.0.0.1:1", "/json"), proxy=url))
    assert failed(outcome) == ((407, "http_status") if scheme == "http" else (0, "connect"))
    assert isinstance(outcome, Undelivered)
    assert "407" in outcome.reason
    for hidden in ("pa55word", "Z2hvc3Q6cGE1NXdvcmQ", "conformance"):
        assert hidden not in f"{outcome!r} {caplog.text}"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there_is_no_connection(transport: HttpTransport, scheme: str) -> None:
    async with Proxy() as gone:
        place = gone.place
    attempt = through(attempt_for(f"{scheme}://127.0.0.1:1", "/json"), proxy=f"http://ghost:pa55word@{place}")
    outcome = await transport.deliver(attempt)
    assert failed(outcome) == (0, "connect")
    assert isinstance(outcome, Undelivered)
    assert "to the proxy" in outcome.reason
    assert "pa55word" not in outcome.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-x\r\n\r\n", "it speaks no HTTP"),
        (b"HTTP/1.1 502 No\r\n\r\n", "it answered 502"),
        (b"HTTP/1.1 200 Go", "it ended before a whole answer to CONNECT"),
        (b"HTTP/1.1 200 Go\r\nX: " + b"x" * 70_000, "it ended before a whole answer to CONNECT"),
    ],
)
async def test_a_tunnel_that_is_refused_is_no_connection(
    auto: HttpTransport, answer: bytes, reason: str
) -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if len(answer) < 20 and b"\r\n\r\n" not in answer:
            writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        closed.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        outcome = await auto.deliver(through(attempt_for("https://[::1]:1", "/json"), proxy=proxy))
        await asyncio.wait_for(closed.wait(), 60)
        server.close()
    assert outcome == Undelivered(name="connect", reason=f"no connection to the proxy: {reason}")


async def test_a_tunnel_without_an_answer_in_time_is_no_connection(auto: HttpTransport) -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        closed.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        attempt = through(attempt_for("https://x.test:1", "/json", timeout=0.1), proxy=proxy)
        assert failed(await auto.deliver(attempt)) == (0, "connect")
        await asyncio.wait_for(closed.wait(), 60)
        server.close()
