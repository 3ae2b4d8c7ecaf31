"""HttpTransport: sends an attempt's request with aiohttp and reads the response, within its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime

import aiohttp

from sp00ky_core.config import BackendConfig
from sp00ky_core.outcome import PROTOCOL, Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_transport_http.classify import Response, outcome_of, undelivered_by
from sp00ky_transport_http.connection import Connector, original
from sp00ky_transport_http.deadlines import Deadlines
from sp00ky_transport_http.exchange import Exchange
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.request import DEFAULT_HEADERS, Request, RequestBuilder

__all__ = ["HttpTransport"]

_log = logging.getLogger(__name__)

_IDLE = 4.0  # seconds that a connection is kept unused: less than the 5 s after which many servers close it
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # what was delivered isn't waited for
_UNTIMED = aiohttp.ClientTimeout()  # the attempt's own timeout covers everything


class HttpTransport:
    """Delivers jobs over HTTP/1.1, as ``sp00ky_core.ports.Transport`` promises.

    Connections are kept and shared between attempts, except a job's last attempt, which gets a fresh one.
    How many there may be is the caller's to bound. Nothing is ever sent twice by itself.
    """

    def __init__(self) -> None:
        self._shared: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._deadlines = Deadlines()
        self._builders: dict[str, RequestBuilder] = {}

    async def open(self) -> None:
        """Get ready; opening an open transport does nothing."""
        if self._shared is None:
            self._shared = _session(Connector(limit=0, keepalive_timeout=_IDLE))
            self._fresh = _session(Connector(limit=0, force_close=True))

    async def close(self) -> None:
        """Close every connection; closing a closed transport does nothing."""
        for session in (self._shared, self._fresh):
            if session is not None:
                await session.close()
        self._shared = self._fresh = None  # only now: a close that is cancelled can be made again

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Send the request and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        session = self._session_for(attempt)
        try:
            builder = self._builder(attempt.backend)
            request = builder.build(attempt)
            if isinstance(request, Undelivered):
                return request
            return await self._outcome(session, request, attempt, builder.redaction)
        except Exception as error:  # noqa: BLE001  # one job's trouble must stay its own
            # Its text is left out, for it could hold a secret.
            _log.error("job %r: %s in the transport", attempt.job.id, type(error).__name__)
            return Undelivered(name=PROTOCOL, reason=f"the request failed: {type(error).__name__}")

    async def _outcome(
        self, session: aiohttp.ClientSession, request: Request, attempt: Attempt, redaction: Redaction
    ) -> Outcome:
        limit = attempt.backend.max_response_bytes
        exchange = Exchange(limit)
        try:
            response = await self._in_time(exchange.run(session, request), attempt.timeout)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Once a whole head has come, the head decides; before it, the error does.
            begun = exchange.begun(error)
            if begun is None:
                return undelivered_by(original(error), redaction)
            response = begun
        now = _ANY_TIME if response.is_delivered else datetime.now(UTC)
        return outcome_of(response, redaction, limit=limit, now=now)

    async def _in_time(self, work: Awaitable[Response], seconds: float) -> Response:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("deliver() must run in a task")
        self._deadlines.enter(task, seconds)
        try:
            response = await work
        except asyncio.CancelledError:
            if self._deadlines.leave(task):
                raise TimeoutError from None
            raise
        except BaseException:
            self._deadlines.leave(task)
            raise
        self._deadlines.leave(task)
        return response

    def _session_for(self, attempt: Attempt) -> aiohttp.ClientSession:
        session = self._fresh if attempt.last else self._shared
        if session is None:
            raise RuntimeError("the transport isn't open: await open() first")
        return session

    def _builder(self, backend: BackendConfig) -> RequestBuilder:
        builder = self._builders.get(backend.name)
        if builder is None or builder.backend is not backend:
            builder = self._builders[backend.name] = RequestBuilder(backend)
        return builder


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        headers=DEFAULT_HEADERS,
        timeout=_UNTIMED,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # done here, bounded, and so that a bad coding can't undo a delivery
        trust_env=False,
    )
