"""What only real connections show: TLS, environment proxies, memory, what is left open, and logs."""

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trustme

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core import Outbox, RunnerOptions
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_transport_http import HttpTransport
from sp00ky_transport_http.engines.exchange import Exchange
from sp00ky_transport_http.response import Response


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingBackend]:
    async with MisbehavingBackend() as server:
        yield server


async def delivered_over(
    context: ssl.SSLContext | None, scheme: str, transport: HttpTransport
) -> tuple[Outcome, bytes]:
    """The outcome of an attempt at a server with that TLS, and what the server read."""
    read = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.extend(await reader.read(65_536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        outcome = await transport.deliver(attempt_for(f"{scheme}://127.0.0.1:{port}", "/json"))
    return outcome, bytes(read)


async def test_a_certificate_that_nobody_vouches_for_is_refused(transport: HttpTransport) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    outcome, read = await delivered_over(context, "https", transport)
    assert isinstance(outcome, Undelivered)
    assert (outcome.code, outcome.name) == (0, "tls")
    assert "certificate" in outcome.reason
    assert read == b""


async def test_proxies_of_the_environment_are_ignored(
    transport: HttpTransport, server: MisbehavingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MisbehavingBackend() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert isinstance(await transport.deliver(attempt_for(server.url, "/json")), Delivered)
        assert proxy.accepted == 0


async def test_cookies_are_not_kept(transport: HttpTransport) -> None:
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await reader.readuntil(b"{}"))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: ghost=1; Path=/\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        attempt = attempt_for(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "/json")
        for _ in range(2):
            assert isinstance(await transport.deliver(attempt), Delivered)
    assert len(seen) == 2
    assert b"ookie" not in seen[1]


async def test_a_lost_race_with_a_closing_server_is_a_reset(
    transport: HttpTransport, server: MisbehavingBackend
) -> None:
    for method in ("POST", "GET", "DELETE"):
        server.close_reused = False
        await transport.deliver(attempt_for(server.url, "/json"))
        server.close_reused = True
        before = len(server.requests)
        outcome = await transport.deliver(attempt_for(server.url, "/json", method=method))
        assert isinstance(outcome, Undelivered)
        assert outcome.name == "reset"
        assert len(server.requests) == before + 1


@pytest.mark.parametrize("path", ["/huge", "/trickle", "/truncated", "/bad-chunks", "/body-on-204", "/fails"])
async def test_after_any_response_the_next_is_its_own(
    transport: HttpTransport, server: MisbehavingBackend, path: str
) -> None:
    await transport.deliver(attempt_for(server.url, path, timeout=0.3))
    outcome = await transport.deliver(attempt_for(server.url, "/json"))
    assert isinstance(outcome, Delivered)
    assert outcome.result == b'{"spooky": true}'


async def test_a_body_that_turns_bad_ends_the_attempt(
    transport: HttpTransport, server: MisbehavingBackend
) -> None:
    async with asyncio.timeout(60):
        outcome = await transport.deliver(attempt_for(server.url, "/late-bad-chunks", timeout=100))
    assert outcome == Delivered(code=200)


async def test_nothing_of_the_token_is_logged_or_told(
    transport: HttpTransport, server: MisbehavingBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    paths = ["/json", "/fails", "/reset", "/garbage", "/cut-head", "/complain", "/bad-chunks", "/../x"]
    outcomes = [await transport.deliver(attempt_for(server.url, path)) for path in paths]
    assert "conformance" not in caplog.text
    assert "conformance" not in repr(outcomes)


async def test_a_token_that_no_header_can_hold_fails_its_jobs_alone(
    transport: HttpTransport, server: MisbehavingBackend
) -> None:
    outcome = await transport.deliver(attempt_for(server.url, "/json", token="two\r\nlines"))
    assert isinstance(outcome, Undelivered)
    assert "lines" not in outcome.reason
    assert server.requests == []
    assert isinstance(await transport.deliver(attempt_for(server.url, "/json")), Delivered)


async def test_an_answer_before_the_request_is_read_leaves_no_half_request_behind(
    transport: HttpTransport,
) -> None:
    read, hung_up = [], asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        read.append(head)
        if len(read) == 1:
            writer.write(b"HTTP/1.1 413 Too Long\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            hung_up_by = b"".join([chunk async for chunk in chunks(reader)])
            assert len(hung_up_by) < 20_000_000
            hung_up.set()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                yield chunk

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        outcome = await transport.deliver(attempt_for(url, "/json", payload={"text": "x" * 20_000_000}))
        assert isinstance(outcome, Undelivered)
        assert outcome.code == 413
        async with asyncio.timeout(60):
            await hung_up.wait()
        assert isinstance(await transport.deliver(attempt_for(url, "/json")), Delivered)
    assert len(read) == 2


async def test_a_token_file_is_read_again_when_it_changes(
    transport: HttpTransport, server: MisbehavingBackend, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first-t0ken\n")
    attempt = attempt_for(server.url, "/complain")
    attempt = attrs.evolve(attempt, backend=attrs.evolve(attempt.backend, token=None, token_file=file))
    outcomes = [await transport.deliver(attempt)]
    (tmp_path / "new").write_text("second-t0ken")
    (tmp_path / "new").replace(file)
    outcomes.append(await transport.deliver(attempt))
    file.unlink()  # as for a moment while it is replaced: the one before is still good
    outcomes.append(await transport.deliver(attempt))
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer first-t0ken", "Bearer second-t0ken", "Bearer second-t0ken"]
    for outcome in outcomes:
        assert isinstance(outcome, Undelivered)
        assert "***" in outcome.reason
        assert "t0ken" not in outcome.reason


async def test_a_head_that_has_come_decides_also_what_is_cancelled(
    transport: HttpTransport, server: MisbehavingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, take = asyncio.Event(), Exchange.take

    def taken(exchange: Exchange, response: Response, chunk: bytes) -> bool:
        begun.set()
        return take(exchange, response, chunk)

    monkeypatch.setattr(Exchange, "take", taken)
    delivering = asyncio.create_task(transport.deliver(attempt_for(server.url, "/trickle", timeout=60)))
    await begun.wait()
    delivering.cancel()
    assert await delivering == Delivered(code=200)
    assert isinstance(await transport.deliver(attempt_for(server.url, "/json")), Delivered)
    assert [request.connection for request in server.requests] == [1, 2]


async def test_a_drain_throws_no_answer_away_whose_head_has_come(
    engine: str, server: MisbehavingBackend, tmp_path: Path
) -> None:
    operation = {"post": {"requestBody": {"content": {"application/json": {}}}}}
    document = {"openapi": "3.1.0", "paths": {"/trickle": operation}}
    (tmp_path / "api.json").write_text(json.dumps(document))
    api = {"spec": "api.json", "baseUrl": server.url, "method": {}, "timeout": 60, "engine": engine}
    (tmp_path / "sp00ky.yml").write_text(json.dumps({"store": "memory://", "backends": {"api": api}}))
    async with Outbox.open(tmp_path / "sp00ky.yml") as outbox:
        await outbox.migrate()
        job = await outbox.run("api", "/trickle", {}, max_retries=0)
        async with outbox.runner(RunnerOptions(grace=1)):
            await server.received()
        assert (await outbox.get(job.id)).status == "success"


@pytest.mark.parametrize("text", [None, "", "two words", "line\nline", "é", "x" * 70_000])
async def test_without_a_usable_token_nothing_is_sent(
    transport: HttpTransport, server: MisbehavingBackend, tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    attempt = attempt_for(server.url, "/json")
    outcome = await transport.deliver(
        attrs.evolve(attempt, backend=attrs.evolve(attempt.backend, token=None, token_file=file))
    )
    assert isinstance(outcome, Undelivered)
    assert outcome.is_retryable
    assert not server.requests
