"""Texts are served over HTTP, one answer a connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sp00ky_core.metrics.server import LONGEST_HEAD, MOST_CLIENTS, Answer, TextServer


async def page() -> Answer:
    return Answer("hällo\n")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = TextServer({"/page": page})
    yield await server.open("127.0.0.1", 0)
    await server.close()


async def exchange(port: int, request: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return (await reader.read()).decode()
    except ConnectionError:
        return ""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /page HTTP/1.1", "200 OK", "hällo\n"),
        ("GET /page?x=1 HTTP/1.0", "200 OK", "hällo\n"),
        ("HEAD /page HTTP/1.1", "200 OK", ""),
        ("GET /other HTTP/1.1", "404 Not Found", "no such page\n"),
        ("POST /page HTTP/1.1", "405 Method Not Allowed", "only GET\n"),
        ("nonsense", "405 Method Not Allowed", "only GET\n"),
    ],
)
async def test_a_get_is_answered(port: int, request_line: str, status: str, body: str) -> None:
    answer = await exchange(port, f"{request_line}\r\nHost: x\r\n\r\n".encode())
    head, _, rest = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert rest == body
    assert f"Content-Length: {len(body.encode())}" in head or not body


@pytest.mark.parametrize("request_", [b"GET /page\r\n" + b"x" * LONGEST_HEAD * 2 + b"\r\n\r\n"])
async def test_a_head_without_end_is_cut_off(port: int, request_: bytes) -> None:
    assert await exchange(port, request_) == ""
    assert "hällo" in await exchange(port, b"GET /page HTTP/1.1\r\n\r\n")


async def test_who_holds_connections_open_uses_up_little(port: int) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_CLIENTS)]
    assert await exchange(port, b"GET /page HTTP/1.1\r\n\r\n") == ""
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()
    while "hällo" not in await exchange(port, b"GET /page HTTP/1.1\r\n\r\n"):  # noqa: ASYNC110  # over TCP
        await asyncio.sleep(0.01)
