"""Call an application once, as a server does for one request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from sp00ky_core import Attempt
from sp00ky_transport_asgi import EXTENSION
from sp00ky_transport_asgi.target import AsgiApp, Message
from sp00ky_transport_http.request import Request
from sp00ky_transport_http.response import Response

_log = logging.getLogger(__name__)

BLOCKS = 0.5
"""Seconds that a handler may hold up a loop that it shares, until it is named."""

HERE = ("sp00ky", 0)
"""Server and client: there is no network between them."""


class Call:
    """One request, and what has come of it so far.

    Attributes:
        response: None until its head has come.
        is_over: Whether the response is whole, or nobody waits for it any more.
    """

    def __init__(self, attempt: Attempt, request: Request, *, over: Callable[[], None]) -> None:
        """``over`` is called, in the application's loop, once the response is whole, or as far as it goes."""
        self.response: Response | None = None
        self.is_over: bool = False
        self.path: str = attempt.job.path
        self._scope = _scope(attempt, request)
        self._body: bytes | None = request.body
        self._limit = attempt.backend.max_response_bytes
        self._over = over
        self._gone = asyncio.Event()

    async def run(self, app: AsgiApp, state: dict[str, Any]) -> None:
        """Call the application; never raises. It may go on for a while once the response is whole."""
        try:
            await app({**self._scope, "state": state.copy()}, self._receive, self._send)
        except (Exception, SystemExit):  # noqa: BLE001  # a stranger's
            _log.exception("%s: the application failed", self.path)
        finally:
            if self.response is None and not self.is_over:
                self.response = Response(status=500)  # as servers answer
            elif self.response is not None and not self.is_over:
                self.response.complete = False
            self.end()

    def end(self) -> None:
        """Take nothing more: the response is whole, or whoever waited has gone."""
        if not self.is_over:
            self.is_over = True
            self._over()
        self._gone.set()

    async def _receive(self) -> Message:
        if self._body is not None and not self._gone.is_set():
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self.is_over:
            return  # a client that has gone hears nothing
        if message["type"] == "http.response.start":
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in message.get("headers") or ()
            }
            self.response = Response(status=message["status"], headers=headers, body=bytearray())
        elif message["type"] == "http.response.body":
            self._keep(message)

    def _keep(self, message: Message) -> None:
        response = self.response
        if response is None:
            raise RuntimeError("the application sends a body before its head")
        room = self._limit - len(response.body)
        body = message.get("body", b"")
        response.body += body[:room]
        if len(body) > room:
            response.complete = False
        if len(body) > room or not message.get("more_body", False):
            self.end()


def _scope(attempt: Attempt, request: Request) -> dict[str, Any]:
    template, url = request.template, request.template.url
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    if request.body or template.method in {"POST", "PUT", "PATCH"}:
        headers.append((b"content-length", str(len(request.body)).encode()))
    job = {"job": attempt.job.id, "attempt": attempt.number, "backend": attempt.backend.name}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": template.method,
        "scheme": "http",
        "path": url.path,
        "raw_path": url.raw_path.encode(),
        "query_string": url.raw_query_string.encode(),
        "root_path": "",
        "headers": headers,
        "server": HERE,
        "client": HERE,
        "extensions": {EXTENSION: job},
    }


@coroutine
def watched(work: Coroutine[Any, Any, None], what: str) -> Generator[Any, Any, None]:
    """Await work step by step, and name it where one of the steps blocks the loop."""
    value: Any = None
    thrown: BaseException | None = None
    while True:
        began = time.monotonic()
        try:
            step = work.send(value) if thrown is None else work.throw(thrown)
        except StopIteration:
            return
        finally:
            took = time.monotonic() - began
            if took >= BLOCKS:
                text = (
                    "%s blocked the loop for %.1f s: nothing else was done meanwhile; write `def`, or await"
                )
                _log.warning(text, what, took)
        value = thrown = None
        try:
            value = yield step
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # noqa: BLE001  # a cancellation, for instance
            thrown = error
