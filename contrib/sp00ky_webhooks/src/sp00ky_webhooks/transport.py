"""Deliver an event to an endpoint: signed, to an address that was checked, in time, and never redirected."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import attrs
from yarl import URL

from sp00ky_core import Attempt, Outcome, Undelivered
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.job.outcome import CONNECT, DEFERRED_NAMES, UNKNOWN_ROUTE
from sp00ky_core.ports import RouteLimits
from sp00ky_transport_http.backend import fault_of
from sp00ky_transport_http.classify import outcome_of, undelivered_by
from sp00ky_transport_http.deadlines import Deadlines
from sp00ky_transport_http.engines.exchange import Exchange, ExchangeFailed, Origin
from sp00ky_transport_http.engines.httptools import HttptoolsEngine
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.request import Request, Template
from sp00ky_webhooks.addresses import AddressRefused, Place, Resolved, place_of, resolved
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import ID, Target, rate_of
from sp00ky_webhooks.signatures import Sealed, signature_headers
from sp00ky_webhooks.targets import Targets

__all__ = ["WebhookTransport"]

GONE = 410
LONGEST_ANSWER = 65_536
"""Bytes of an answer that are read."""
RESOLVED = 10.0
"""Seconds for which the addresses of a host hold."""
RESOLVERS = 32
"""Hosts that are looked for at a time: some take long to be not found."""
JITTER = 0.1
"""Share of a retry's delay by which it varies, both ways."""

ENDPOINT_GONE, ENDPOINT_DISABLED, ADDRESS_REFUSED = "endpoint_gone", "endpoint_disabled", "address_refused"

_AGENT = f"sp00ky-webhooks/{version('sp00ky-webhooks')}"
_EVENT_ID = re.compile(rb'\{\s*"id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')

_unsent = partial(Undelivered, sent=False)


class WebhookTransport:
    """Delivers events to endpoints, as ``sp00ky_core.ports.Transport`` promises."""

    api: type[Any] = Webhooks

    def __init__(self) -> None:
        self._targets: Targets | None = None
        self._engine = HttptoolsEngine()
        self._deadlines = Deadlines()
        self._addresses: dict[Place, tuple[float, tuple[Resolved, ...]]] = {}
        self._resolvers: ThreadPoolExecutor | None = None

    def use(self, calls: Webhooks) -> None:
        """Take the extension's calls; see ``ExtensionTransport``."""
        self._calls, self._targets = calls, Targets(calls)

    async def open(self) -> None:
        """Get ready; opening an open transport does nothing."""
        await self._engine.open()
        if self._resolvers is None:
            self._resolvers = ThreadPoolExecutor(RESOLVERS, "sp00ky-webhooks-resolver")

    async def close(self) -> None:
        """Close every connection; closing a closed transport does nothing."""
        if self._targets is not None:
            await self._targets.close()
        await self._engine.close()
        if self._resolvers is not None:
            self._resolvers.shutdown(wait=False, cancel_futures=True)
        self._resolvers = None

    def limits(self, route: str) -> RouteLimits:
        """Say what an endpoint is sent by this process; see ``IsolatingTransport``."""
        if self._targets is None:
            return RouteLimits()
        options, own = self._calls.options, self._targets.rate_of(route[1:])
        rate = options.rate if own is None else rate_of(own)
        return RouteLimits(max_in_flight=options.max_in_flight, rate=rate)

    async def put_off(self, route: str, seconds: float) -> None:
        """Have what is published to an endpoint start then; see ``IsolatingTransport``."""
        if self._targets is not None:
            await self._targets.put_off(route[1:], seconds)

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Send the event and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        endpoint_id, targets = attempt.job.path[1:], self._targets
        if targets is None or not ID.fullmatch(endpoint_id):
            return _unsent(name=UNKNOWN_ROUTE, reason="it is no endpoint's", retryable=False)
        task: Any = asyncio.current_task()
        sending = _Sending()
        self._deadlines.enter(task, attempt.timeout, lambda: sending.is_sent)
        try:
            outcome = await self._sent(attempt, endpoint_id, targets, sending)
        except asyncio.CancelledError as error:
            outcome = sending.cut_off(self._engine, error, is_late=self._deadlines.leave(task))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this job's
            outcome = fault_of(attempt, error)
        finally:
            self._deadlines.leave(task)
        return self._noted(attempt, outcome, endpoint_id, targets, sending.target)

    async def _sent(self, attempt: Attempt, endpoint_id: str, targets: Targets, sending: _Sending) -> Outcome:
        try:
            target = await targets.get(endpoint_id)
            if target is None:
                return _unsent(name=ENDPOINT_GONE, reason="there is no such endpoint", retryable=False)
            if not target.enabled:
                reason = "the endpoint is disabled; `recover` sends it once it is enabled"
                return _unsent(name=ENDPOINT_DISABLED, reason=reason, retryable=False)
            sending.target = target
            place = place_of(target.url, self._calls.options.allow_private)
            addresses = await self._resolved(place)
        except AddressRefused as refused:
            name = CONNECT if refused.is_unknown else ADDRESS_REFUSED
            return _unsent(name=name, reason=str(refused), retryable=refused.is_unknown)
        except ValueError as refused:  # the URL itself, which another client may have written
            return _unsent(name=ADDRESS_REFUSED, reason=str(refused), retryable=False)
        except Sealed as problem:
            return _unsent(name=CONNECT, reason=str(problem))
        tls = _tls(attempt.backend.tls.context if attempt.backend.tls else None) if place.is_secure else None
        return await sending.exchange(
            self._engine,
            self._request(attempt, target),
            Origin(place.host, place.port, tls, None, addresses),
            fresh=attempt.last,
        )

    def _request(self, attempt: Attempt, target: Target) -> Request:
        url, job = URL(target.url, encoded=True), attempt.job
        body = bytes(job.payload_json)
        found = _EVENT_ID.match(body)
        message_id = found[1].decode() if found else job.id.replace(":", "_").replace(".", "_")
        headers = {
            "Host": url.host_port_subcomponent or "",
            "Content-Type": "application/json",
            "Accept": "*/*",
            "User-Agent": _AGENT,
            **(_cloud_event(body, self._calls.options.cloud_events)),
            **target.headers,
        }
        signed = signature_headers(target.secrets, message_id, datetime.now(UTC), body)
        own = {"Idempotency-Key": message_id, "Sp00ky-Attempt": str(attempt.number), **signed}
        template = Template(
            method="POST",
            url=url.with_path(url.raw_path or "/", encoded=True, keep_query=True),
            headers=headers,
            has_result=False,
        )
        return Request(template=template, job_id=message_id, own=own, body=body)

    async def _resolved(self, place: Place) -> tuple[Resolved, ...]:
        """Return the addresses that a connection may be made to. Raises ``AddressRefused``."""
        now = asyncio.get_running_loop().time()
        until, addresses = self._addresses.get(place, (0.0, ()))
        if until < now:
            addresses = await resolved(place, self._calls.options.allow_private, self._resolvers)
            if len(self._addresses) > LONGEST_ANSWER:
                self._addresses.clear()
            self._addresses[place] = (now + RESOLVED, addresses)
        return addresses

    def _noted(
        self, attempt: Attempt, outcome: Outcome, endpoint_id: str, targets: Targets, target: Target | None
    ) -> Outcome:
        """Note what an outcome says of its endpoint; return it with when the job is tried again."""
        if not isinstance(outcome, Undelivered):
            if target is not None:
                targets.succeeded(endpoint_id, target)
            return outcome
        if target is not None:
            targets.failed(endpoint_id, target)
        if outcome.code == GONE:
            targets.gone(endpoint_id)
            return attrs.evolve(outcome, retryable=False)
        if outcome.name in DEFERRED_NAMES:
            return outcome
        schedule = self._calls.options.schedule
        delay = schedule[min(attempt.number, len(schedule)) - 1] if schedule else 0.0
        delay *= 1 + JITTER * (2 * random.random() - 1)  # noqa: S311  # no secret
        return attrs.evolve(outcome, again_in=max(delay, outcome.retry_after or 0.0))


class _Sending:
    """One delivery on its way.

    Attributes:
        target: Where it goes, once that is known.
    """

    def __init__(self) -> None:
        self.target: Target | None = None
        self._exchange: Exchange | None = None

    @property
    def is_sent(self) -> bool:
        """Whether something may have been sent."""
        return self._exchange is not None and self._exchange.connection is not None

    async def exchange(
        self, engine: HttptoolsEngine, request: Request, origin: Origin, *, fresh: bool
    ) -> Outcome:
        """Send the request, and say what its answer means."""
        self._exchange = Exchange(request=request, origin=origin, limit=LONGEST_ANSWER, fresh=fresh)
        try:
            await engine.run(self._exchange)
        except ExchangeFailed as failure:
            if self._exchange.response is None:
                return undelivered_by(failure, self._redaction())
        return self._answer() or Undelivered(name=CONNECT, reason="no answer")

    def cut_off(self, engine: HttptoolsEngine, error: asyncio.CancelledError, *, is_late: bool) -> Outcome:
        """Say what it means that it was cut off. Raises the cancellation that no deadline is to blame for."""
        if self._exchange is not None:
            engine.cut_off(self._exchange)
        if (outcome := self._answer()) is not None:
            return outcome
        if not is_late:
            raise error
        if not self.is_sent:
            return Undelivered(name=CONNECT, reason="no connection in time")
        return undelivered_by(TimeoutError(), self._redaction())

    def _answer(self) -> Outcome | None:
        if self._exchange is None or self._exchange.response is None:
            return None
        response = self._exchange.response
        return outcome_of(response, self._redaction(), limit=LONGEST_ANSWER, now=_now, has_result=False)

    def _redaction(self) -> Redaction:
        return Redaction((*self.target.secrets, *self.target.headers.values()) if self.target else ())


_now = partial(datetime.now, UTC)


@cache
def _tls(make: Callable[[], ssl.SSLContext] | None) -> ssl.SSLContext:
    """Return what trusts the system's authorities, or the backend's, and shows no certificate."""
    context = ssl.create_default_context() if make is None else make()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _cloud_event(body: bytes, source: str | None) -> dict[str, str]:
    """Return CloudEvents' headers of an event in our envelope."""
    event = decode(body.decode()) if source is not None else None
    if source is None or not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return {}
    return {
        "ce-specversion": "1.0",
        "ce-id": str(event.get("id", "")),
        "ce-source": source,
        "ce-type": event["type"],
        "ce-time": str(event.get("timestamp", "")),
    }
