"""Put a receiver before a WSGI application: Flask, Django, Bottle, Pyramid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from http import HTTPStatus
from io import BytesIO
from typing import Any

from sp00ky_receiver.answer import Answer
from sp00ky_receiver.errors import Refused
from sp00ky_receiver.middleware_delivery import KEY, Delivery
from sp00ky_receiver.receiver import Receiver
from sp00ky_receiver.request import Call, Request

__all__ = ["WsgiReceiver"]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiReceiver:
    """Lets the application do each request once, in a transaction of which it gets the connection.

    That is in ``environ["sp00ky_receiver"].connection`` (Flask: ``request.environ[...]``). The whole
    answer is held until the transaction has been committed: before that it isn't true.
    """

    def __init__(
        self,
        app: Application,
        receiver: Receiver,
        transaction: Callable[[], AbstractContextManager[Any]],
        *,
        unprotected: Collection[str] = (),
    ) -> None:
        """Take the application and what ``Receiver.answer`` takes.

        ``unprotected`` are paths, such as that of a probe, whose requests are passed on as they are; no
        pattern, so that no spelling of a path leads past the receiver.
        """
        self._app = app
        self._receiver = receiver
        self._transaction = transaction
        self._unprotected = frozenset(unprotected)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if _path(environ) in self._unprotected:
            return self._app(environ, start_response)
        answer = self._answer(environ)
        start_response(_status(answer.status), list(answer.sent_headers()))
        return [answer.body]

    def _answer(self, environ: Environ) -> Answer:
        def handler(call: Call, connection: Any) -> Answer:
            delivery = Delivery(key=call.key, connection=connection)
            body = call.request.body
            length = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
            return _called(self._app, {**environ, **length, KEY: delivery})

        try:
            request = self._request(environ)
        except Refused as refused:
            return refused.answer()
        return self._receiver.answer(request, self._transaction, handler)

    def _request(self, environ: Environ) -> Request:
        """Read a request. Raises ``BodyTooLong``."""
        limit = self._receiver.max_body_bytes
        given = environ.get("CONTENT_LENGTH") or ""
        length = int(given) if given.isdecimal() else 0
        if length > limit:
            raise self._receiver.body_too_long()
        is_bounded = environ.get("wsgi.input_terminated") and not length  # chunked, by a server that knows it
        body = environ["wsgi.input"].read(limit + 1 if is_bounded else length)
        query = environ.get("QUERY_STRING", "")
        target = f"{_path(environ)}?{query}" if query else _path(environ)
        return Request(method=environ["REQUEST_METHOD"], target=target, headers=_headers(environ), body=body)


def _path(environ: Environ) -> str:
    return f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"


def _headers(environ: Environ) -> dict[str, str]:
    return {
        name.removeprefix("HTTP_").replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def _called(app: Application, environ: Environ) -> Answer:
    """Call an application, and take its whole answer."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    body = bytearray()

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if started and exc_info is None:
            raise RuntimeError("the application has started its answer already")
        started[:] = [(status, headers)]
        return body.extend

    parts = app(environ, start_response)
    try:
        for part in parts:
            body += part
    finally:
        if hasattr(parts, "close"):
            parts.close()
    if not started:
        raise RuntimeError("the application ended without an answer")
    status, headers = started[-1]
    return Answer(status=int(status.split()[0]), headers=headers, body=bytes(body))


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"
