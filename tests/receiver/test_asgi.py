"""An application behind the middleware, from the socket's side: by Starlette's test client and by hand."""

import asyncio
from collections.abc import MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from tests.receiver.stacks import ASYNCHRONOUS, Place, effect_async
from tests.receiver.test_signature import NEW, signed

from sp00ky_receiver import AsgiReceiver, Receiver


@pytest.fixture
def app(place: Place) -> AsgiReceiver:
    """A FastAPI application."""
    api = FastAPI()

    @api.post("/spookify")
    async def spookify(request: Request) -> Any:
        delivery = request.scope["sp00ky_receiver"]
        assert delivery.key == "job:1"
        await effect_async(delivery.connection)
        return Response(await request.body(), 201, {"Set-Cookie": "a=b", "Location": "/1"})

    @api.get("/health")
    async def health() -> str:
        return "well"

    def transaction() -> AbstractAsyncContextManager[Any]:
        return ASYNCHRONOUS["asyncpg"](place)

    return AsgiReceiver(api, Receiver(NEW, max_body_bytes=100), transaction, unprotected=["/health"])


@pytest.fixture
def client(app: AsgiReceiver) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver.test")


async def test_a_repetition_gets_the_first_answer(place: Place, client: httpx.AsyncClient) -> None:
    request = signed()
    answers = [
        await client.post("/spookify", content=request.body, headers=request.headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.content for answer in answers] == [request.body] * 2
    assert [answer.headers["location"] for answer in answers] == ["/1", "/1"]
    assert ["set-cookie" in answer.headers for answer in answers] == [True, False]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert place.effects() == 1


async def test_what_is_not_signed_reaches_nothing(place: Place, client: httpx.AsyncClient) -> None:
    for path in ("/spookify", "/health/", "//health", "/docs"):
        answer = await client.post(path, content=b"{}", headers={"Idempotency-Key": "job:1"})
        assert answer.status_code == 401
    assert (await client.get("/health")).json() == "well"
    assert place.effects() == 0


async def test_a_long_body_is_not_read_to_its_end(app: AsgiReceiver) -> None:
    piece = {"type": "http.request", "body": b"x" * 60, "more_body": True}
    start, body = await run(app, "http", piece, piece)
    assert (start["status"], body["body"]) == (413, b"the body is longer than 100 bytes\n")


async def test_an_application_that_fails_is_rolled_back(place: Place, client: httpx.AsyncClient) -> None:
    request = signed()
    answer = await client.post("/elsewhere", content=request.body, headers=request.headers)
    assert answer.status_code == 404
    assert place.fetch("SELECT key FROM sp00ky_receipt") == []


async def run(app: AsgiReceiver, kind: str, *messages: MutableMapping[str, Any]) -> list[Any]:
    """What an application sends when it gets these messages, as a server would give them."""
    request = signed()
    headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
    scope = {"type": kind, "method": "POST", "path": "/spookify", "query_string": b"a=1", "headers": headers}
    pending, sent = list(messages), []

    async def receive() -> MutableMapping[str, Any]:
        return pending.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_a_body_may_come_in_pieces(app: AsgiReceiver, place: Place) -> None:
    body = signed().body
    pieces = [
        {"type": "http.request", "body": body[:3], "more_body": True},
        {"type": "http.request", "body": body[3:]},
    ]
    start, _ = await run(app, "http", *pieces)
    assert start["status"] == 201
    assert place.effects() == 1


async def test_an_answer_is_sent_after_the_commit(place: Place) -> None:
    """Whatever the application sends, nothing of it leaves before the transaction has been committed."""
    log: list[str] = []

    class Transaction:
        async def __aenter__(self) -> Any:
            self.real = ASYNCHRONOUS["asyncpg"](place)
            return await self.real.__aenter__()

        async def __aexit__(self, *error: Any) -> Any:
            log.append("ends")
            return await self.real.__aexit__(*error)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"b"})
        log.append("answered")

    receiver = AsgiReceiver(app, Receiver(NEW), Transaction)
    start, body = await run(receiver, "http", {"type": "http.request", "body": signed().body})
    assert log == ["answered", "ends"]
    assert (start["status"], body["body"]) == (200, b"ab")


async def test_an_application_without_a_whole_answer_is_an_error(place: Place) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await effect_async(scope["sp00ky_receiver"].connection)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})

    receiver = AsgiReceiver(app, Receiver(NEW), lambda: ASYNCHRONOUS["asyncpg"](place))
    with pytest.raises(RuntimeError, match="without a whole answer"):
        await run(receiver, "http", {"type": "http.request", "body": signed().body})
    assert place.effects() == 0
