"""Put a receiver before an ASGI application: Starlette, FastAPI, Litestar, Quart, Django under ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from sp00ky_receiver.answer import Answer
from sp00ky_receiver.errors import Refused
from sp00ky_receiver.middleware_delivery import KEY, Delivery
from sp00ky_receiver.receiver import Receiver
from sp00ky_receiver.request import Call, Request

__all__ = ["AsgiReceiver"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008


class AsgiReceiver:
    """Lets the application do each request once, in a transaction of which it gets the connection.

    That is in ``scope["sp00ky_receiver"].connection`` (Starlette: ``request.scope[...]``). The whole
    answer is held until the transaction has been committed: before that it isn't true.
    """

    def __init__(
        self,
        app: Application,
        receiver: Receiver,
        transaction: Callable[[], AbstractAsyncContextManager[Any]],
        *,
        unprotected: Collection[str] = (),
    ) -> None:
        """Take the application and what ``Receiver.answer_async`` takes.

        ``unprotected`` are paths, such as that of a probe, whose requests are passed on as they are; no
        pattern, so that no spelling of a path leads past the receiver.
        """
        self._app = app
        self._receiver = receiver
        self._transaction = transaction
        self._unprotected = frozenset(unprotected)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve a request; websockets, which no sender signs, are refused."""
        if scope["type"] == "lifespan" or scope.get("path") in self._unprotected:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def handler(call: Call, connection: Any) -> Answer:
            inner = {**scope, "extensions": {}, KEY: Delivery(key=call.key, connection=connection)}
            answering = _Answering(call.request.body, receive)
            await self._app(inner, answering.receive, answering.send)
            return answering.answer()

        try:
            request = await self._request(scope, receive)
        except Refused as refused:
            await _send(refused.answer(), send)
            return
        if request is not None:
            await _send(await self._receiver.answer_async(request, self._transaction, handler), send)

    async def _request(self, scope: MutableMapping[str, Any], receive: Receive) -> Request | None:
        """Read a request; None: its client has gone. Raises ``BodyTooLong``."""
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._receiver.max_body_bytes:
                raise self._receiver.body_too_long()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode("latin-1")
        target = f"{scope['path']}?{query}" if query else scope["path"]
        return Request(method=scope["method"], target=target, headers=headers, body=bytes(body))


class _Answering:
    """The application's side: gives it the body, and takes its answer."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive
        self._start: Message | None = None
        self._body = bytearray()
        self._is_whole = False

    async def receive(self) -> Message:
        request, self._request = self._request, None
        return await self._receive() if request is None else request

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            self._is_whole = not message.get("more_body", False)

    def answer(self) -> Answer:
        if self._start is None or not self._is_whole:
            raise RuntimeError("the application ended without a whole answer")
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._start.get("headers", ())
        ]
        return Answer(status=self._start["status"], headers=headers, body=bytes(self._body))


async def _send(answer: Answer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.sent_headers()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
