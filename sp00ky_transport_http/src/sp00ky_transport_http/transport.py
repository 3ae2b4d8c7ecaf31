"""HttpTransport: sends an attempt's request with aiohttp and reads the response, within its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from sp00ky_core.config import BackendConfig
from sp00ky_core.outcome import CONNECT, PROTOCOL, Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_transport_http.classify import Response, outcome_of, undelivered_by
from sp00ky_transport_http.connection import Connector
from sp00ky_transport_http.deadlines import Deadlines
from sp00ky_transport_http.exchange import Exchange
from sp00ky_transport_http.request import Request, RequestBuilder

__all__ = ["HttpTransport"]

_log = logging.getLogger(__name__)

_IDLE = 4.0  # seconds that a connection is kept unused: less than the 5 s after which many servers close it
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # what was delivered isn't waited for


class HttpTransport:
    """Delivers jobs over HTTP/1.1, as ``sp00ky_core.ports.Transport`` promises.

    Connections are kept and shared between attempts, except a job's last attempt, which gets a fresh one.
    How many there may be is the caller's to bound. Nothing is ever sent twice by itself.
    """

    def __init__(self) -> None:
        self._shared: Connector | None = None
        self._fresh: Connector | None = None
        self._deadlines = Deadlines()
        self._targets: dict[str, _Target] = {}

    async def open(self) -> None:
        """Get ready; opening an open transport does nothing."""
        if self._shared is None:
            self._shared = Connector(limit=0, keepalive_timeout=_IDLE)
            self._fresh = Connector(limit=0, force_close=True)

    async def close(self) -> None:
        """Close every connection; closing a closed transport does nothing."""
        connectors, self._shared, self._fresh = (self._shared, self._fresh), None, None
        self._targets.clear()
        for connector in connectors:
            if connector is not None:
                await connector.close()

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Send the request and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        connector = self._connector_for(attempt)
        try:
            target = self._target(attempt.backend)
            request = target.builder.build(attempt)
            if isinstance(request, Undelivered):
                return request
            return await self._outcome(connector, target, request, attempt)
        except Exception as error:  # noqa: BLE001  # one job's trouble must stay its own
            # Its text is left out, for it could hold a secret.
            _log.error("job %r: %s in the transport", attempt.job.id, type(error).__name__)
            return Undelivered(name=PROTOCOL, reason=f"the request failed: {type(error).__name__}")

    async def _outcome(
        self, connector: Connector, target: _Target, request: Request, attempt: Attempt
    ) -> Outcome:
        limit = target.backend.max_response_bytes
        redaction = target.builder.redaction
        exchange = Exchange(limit)
        try:
            response = await self._in_time(exchange.run(connector, target.place, request), attempt.timeout)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            # Once a whole head has come, the head decides; before it, the error does.
            begun = exchange.begun(error)
            if begun is None and isinstance(error, TimeoutError) and not exchange.is_connected:
                return Undelivered(name=CONNECT, reason="no connection in time")
            if begun is None:
                return undelivered_by(error, redaction)
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

    def _connector_for(self, attempt: Attempt) -> Connector:
        connector = self._fresh if attempt.last else self._shared
        if connector is None:
            raise RuntimeError("the transport isn't open: await open() first")
        return connector

    def _target(self, backend: BackendConfig) -> _Target:
        target = self._targets.get(backend.name)
        if target is None or target.backend is not backend:
            target = self._targets[backend.name] = _Target(backend)
        return target


class _Target:
    """A backend: how its requests are made, and where they go."""

    def __init__(self, backend: BackendConfig) -> None:
        self.backend = backend
        self.builder = RequestBuilder(backend)
        # Only ever asked where it goes; what is sent is the builder's.
        origin = URL(backend.base_url).origin()
        self.place = aiohttp.ClientRequest("POST", origin, loop=asyncio.get_running_loop())
