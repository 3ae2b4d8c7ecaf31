"""Call an application once, as a server does for one request."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from sp00ky_core import Attempt
from sp00ky_transport_asgi import EXTENSION
from sp00ky_transport_asgi.target import AsgiApp, Message
from sp00ky_transport_http.request import Request
from sp00ky_transport_http.response import Response

_log = logging.getLogger(__name__)


def is_cancelled() -> bool:
    """Whether the task that runs is being cancelled, rather than raising ``CancelledError`` by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Call:
    """One request, and what has come of it so far.

    Attributes:
        response: None until its head has come.
        is_cut_off: The application was stopped before the head: it isn't known what it has done.
        over: Running once the application is called, and done once the response is whole, or as far as it
            goes; cancelled: it won't be called.
    """

    def __init__(self, attempt: Attempt, request: Request) -> None:
        self.response: Response | None = None
        self.is_cut_off: bool = False
        self.over: Future[None] = Future()
        self.path: str = attempt.job.path
        self._scope = _scope(attempt, request)
        self._body: bytes | None = request.body
        self._limit = attempt.backend.max_response_bytes
        self._gone = asyncio.Event()

    async def run(self, app: AsgiApp, state: dict[str, Any]) -> None:
        """Call the application; it may go on for a while once the response is whole."""
        if not self.over.set_running_or_notify_cancel():
            return  # its time was over before this loop came to it
        try:
            await app({**self._scope, "state": state.copy()}, self._receive, self._send)
        except BaseException:
            if is_cancelled():
                self._leave(None)
                raise
            _log.exception("%s: the application failed", self.path)
        self._leave(Response(status=500))  # as servers answer

    def _leave(self, answer: Response | None) -> None:
        """Note that no more comes; ``answer`` is what stands for a head that hasn't."""
        if self._gone.is_set():
            return
        self.response = self.response or answer
        self.is_cut_off = self.response is None
        if self.response is not None:
            self.response.complete = False
        self.end()

    def end(self) -> None:
        """Take nothing more: the response is whole, or whoever waited has gone."""
        self._gone.set()
        with suppress(InvalidStateError):
            self.over.set_result(None)

    async def _receive(self) -> Message:
        if self._body is not None and not self._gone.is_set():
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._gone.is_set():
            return  # a client that has gone hears nothing
        if message["type"] == "http.response.start":
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in message.get("headers") or ()
            }
            self.response = Response(status=message["status"], headers=headers, body=bytearray())
        elif message["type"] == "http.response.body":
            self._keep(message.get("body", b""), has_more=message.get("more_body", False))

    def _keep(self, body: bytes, *, has_more: bool) -> None:
        if self.response is None:
            raise RuntimeError("the application sends a body before its head")
        room = self._limit - len(self.response.body)
        self.response.body += body[:room]
        self.response.complete = len(body) <= room
        if len(body) > room or not has_more:
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
        **dict.fromkeys(("server", "client"), ("sp00ky", 0)),  # there is no network between them
        "extensions": {EXTENSION: job},
    }
