"""Call an application once, as a server does for one request, in whatever loop it has."""

from __future__ import annotations

import asyncio
import logging
import traceback
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

import attrs

from sp00ky_core import Attempt, Undelivered
from sp00ky_core.job.job import facts_of, named
from sp00ky_transport_asgi import EXTENSION
from sp00ky_transport_asgi.own_loop import CUT_OFF, LATE, Call, is_cancelled
from sp00ky_transport_asgi.target import AsgiApp, Message
from sp00ky_transport_http.request import Request, Template
from sp00ky_transport_http.response import Response

_log = logging.getLogger(__name__)

RAISES = 0.5
"""Seconds after the answer in which an application raises what has made it answer 5xx."""


class Gone(OSError):
    """Nobody hears more of an answer: the call is over."""


class Performs(Protocol):
    """An ``Application``."""

    def perform(self, call: AsgiCall) -> None:
        """Begin a call."""


@attrs.define(eq=False, slots=False)
class AsgiCall(Call[Response]):
    """One request; ``answer`` is a response from when its head has come, and ``over`` when it is whole."""

    answer: Response | Undelivered = attrs.field(default=LATE, init=False)
    request: Request
    application: Performs
    raised: BaseException | None = attrs.field(default=None, init=False)  # what has ended it, if no answer

    def __attrs_post_init__(self) -> None:
        self._room, self._has_body = self.attempt.backend.max_response_bytes, True
        self._is_over = False
        self._is_told = False  # ... and that nobody hears it, which it may take for an error
        self._gone: asyncio.Event | None = None  # where the application waits for that

    def begin(self) -> None:
        """Begin it, in the application's loop."""
        self.application.perform(self)

    async def run(self, app: AsgiApp, state: dict[str, Any]) -> None:
        """Call the application; it may go on for a while once the response is whole."""
        try:
            await app(_scope(self.attempt, self.request, state), self._receive, self._send)
        except BaseException as error:
            if is_cancelled():
                self.end(CUT_OFF)
                raise
            if not self._is_told:
                self._failed(error)
        if not self._is_over:
            self.end(Response(status=500))  # as servers answer

    def _failed(self, error: BaseException) -> None:
        self.raised, job = error, self.attempt.job
        trace = "".join(traceback.format_exception(error))
        facts = {**facts_of(job), "path": job.path, "trace": trace}
        text = "%s: %s raised %s\n%s"
        _log.error(text, named(job), job.path, type(error).__name__, trace, extra=facts)

    def end(self, otherwise: Response | Undelivered = LATE) -> None:
        """Take nothing more; see ``Call.end``."""
        self._is_over = True
        if self._gone is not None:
            self._gone.set()
        super().end(otherwise)

    async def _receive(self) -> Message:
        if self._has_body and not self._is_over:
            self._has_body = False
            return {"type": "http.request", "body": self.request.body, "more_body": False}
        if not self._is_over:
            self._gone = self._gone or asyncio.Event()
            await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._is_over:
            self._is_told = True
            await asyncio.sleep(0)  # one that sends without an end mayn't keep its loop
            raise Gone("nobody hears more of the answer: it is too long, or its time is over")
        if message["type"] == "http.response.start":
            status, given = message["status"], message.get("headers") or ()
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in given}
            self.answer = Response(status=status, headers=headers, body=bytearray(), complete=False)
        elif message["type"] == "http.response.body":
            if isinstance(self.answer, Undelivered):
                raise RuntimeError("the application sends a body before its head")
            body, room = message.get("body", b""), self._room - len(self.answer.body)
            self.answer.body += body[:room]
            is_whole = len(body) <= room
            if is_whole and message.get("more_body", False):
                return
            self.answer.complete = is_whole
            if self.answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                asyncio.get_running_loop().call_later(RAISES, self.end)  # unless the application ends before
            else:
                self.end()


def _scope(attempt: Attempt, request: Request, state: dict[str, Any]) -> dict[str, Any]:
    shared, headers = _shared_scope(request.template)
    own = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.own.items()]
    if request.body or shared["method"] in {"POST", "PUT", "PATCH"}:
        own.append((b"content-length", b"%d" % len(request.body)))
    job = {"job": attempt.job.id, "attempt": attempt.number, "backend": attempt.backend.name}
    return {**shared, "headers": headers + own, "extensions": {EXTENSION: job}, "state": state.copy()}


@lru_cache(maxsize=256)  # of the operations without parameters, which have one for all jobs
def _shared_scope(template: Template) -> tuple[dict[str, Any], list[tuple[bytes, bytes]]]:
    url = template.url
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": template.method,
        "scheme": "http",
        "path": url.path,
        "raw_path": url.raw_path.encode(),
        "query_string": url.raw_query_string.encode(),
        "root_path": "",
        **dict.fromkeys(("server", "client"), ("sp00ky", 0)),  # there is no network between them
    }
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in template.headers.items()]
    return scope, headers
