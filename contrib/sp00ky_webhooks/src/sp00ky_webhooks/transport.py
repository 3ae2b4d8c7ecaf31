"""Deliver an event to an endpoint: signed, to an address that was checked, in time, and never redirected."""

from __future__ import annotations

import asyncio
import random
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import attrs
from yarl import URL

from sp00ky_core import Attempt, Outcome, Undelivered
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import OptionInvalid, Sp00kyError
from sp00ky_core.job.outcome import CONNECT, DEFERRED_NAMES, UNKNOWN_ROUTE, Delivered
from sp00ky_core.ports import RouteLimits
from sp00ky_transport_http.backend import fault_of
from sp00ky_transport_http.classify import outcome_of, undelivered
from sp00ky_transport_http.deadlines import Deadlines
from sp00ky_transport_http.engines.exchange import Exchange, Origin
from sp00ky_transport_http.engines.httptools import HttptoolsEngine
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.request import Request, Template
from sp00ky_transport_http.transport import tls_of
from sp00ky_webhooks.addresses import AddressRefused, Place, Resolved, place_of, resolved
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import ID, Target, rate_of
from sp00ky_webhooks.signatures import signature_headers
from sp00ky_webhooks.targets import Targets

__all__ = ["WebhookTransport"]

SUCCESS, GONE = range(200, 300), 410
LONGEST_ANSWER = 65_536
"""Bytes of an answer that are read."""
RESOLVED = 10.0
"""Seconds for which the addresses of a host hold."""
RESOLVERS = 256
"""Hosts that are looked for at a time: some take long to be not found."""
MOST_HOSTS = 10_000
"""Hosts whose addresses are remembered."""
LONGEST_REST = 86_400.0
"""Seconds, at most, for which an endpoint may ask for a rest."""
JITTER = 0.1
"""Share of a retry's delay by which it varies, both ways."""

ENDPOINT_GONE, ENDPOINT_DISABLED, ADDRESS_REFUSED = "endpoint_gone", "endpoint_disabled", "address_refused"

DISABLED = "the endpoint is disabled; `recover` sends it once it is enabled"

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
        self._addresses: dict[Place, tuple[float, asyncio.Future[tuple[Resolved, ...]]]] = {}
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
        until, target = asyncio.get_running_loop().time() + attempt.timeout, None
        try:
            async with asyncio.timeout_at(until):
                target = await targets.get(endpoint_id)
                if target is None or not targets.is_for(target, attempt.job):
                    return _unsent(name=ENDPOINT_GONE, reason="there is no such endpoint", retryable=False)
                if not target.enabled:
                    return _unsent(name=ENDPOINT_DISABLED, reason=DISABLED, retryable=False)
                place = place_of(target.url, self._calls.options.allow_private)
                addresses = await self._resolved(place)
            outcome = await self._exchanged(attempt, target, place, addresses, until)
        except TimeoutError:
            outcome = _unsent(name=CONNECT, reason="its address isn't known in time")
        except (AddressRefused, OptionInvalid) as refused:  # the URL may be another client's
            is_unknown = isinstance(refused, AddressRefused) and refused.is_unknown
            name = CONNECT if is_unknown else ADDRESS_REFUSED
            outcome = _unsent(name=name, reason=str(refused), retryable=is_unknown)
        except Sp00kyError as problem:  # its secrets, or the store
            outcome = _unsent(name=CONNECT, reason=str(problem))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this job's
            outcome = fault_of(attempt, error)
        return self._noted(attempt, outcome, endpoint_id, targets, target)

    async def _exchanged(
        self, attempt: Attempt, target: Target, place: Place, addresses: tuple[Resolved, ...], until: float
    ) -> Outcome:
        tls = _tls(attempt.backend.tls) if place.is_secure else None
        exchange = Exchange(
            request=self._request(attempt, target),
            origin=Origin(place.host, place.port, tls, None, addresses),
            limit=LONGEST_ANSWER,
            fresh=attempt.last,
        )
        seconds = until - asyncio.get_running_loop().time()
        failure, response = await self._deadlines.run(self._engine, exchange, seconds), exchange.response
        if response is not None and response.status in SUCCESS:
            return Delivered(code=response.status)
        signatures = exchange.request.own["webhook-signature"].split()
        redaction = Redaction((*target.secrets, *target.headers.values(), *signatures))
        if response is None:
            return undelivered(exchange, failure, redaction)
        return outcome_of(response, redaction, limit=LONGEST_ANSWER, now=partial(datetime.now, UTC))

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
        """Return the addresses that a connection may be made to. Raises ``AddressRefused``.

        Each host is looked for once at a time, and what was found, or that nothing was, holds for a while:
        hosts that take long to be not found take no thread that others need.
        """
        now = asyncio.get_running_loop().time()
        until, looking = self._addresses.get(place, (0.0, None))
        if looking is None or (until < now and looking.done()):
            if len(self._addresses) > MOST_HOSTS:
                self._addresses = {one: kept for one, kept in self._addresses.items() if kept[0] > now}
            looking = asyncio.ensure_future(
                resolved(place, self._calls.options.allow_private, self._resolvers)
            )
            looking.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._addresses[place] = (now + RESOLVED, looking)
        return await asyncio.shield(looking)

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
        return attrs.evolve(outcome, again_in=max(delay, min(outcome.retry_after or 0.0, LONGEST_REST)))


_tls = cache(tls_of)


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
