"""Deliver a job over HTTP: request, exchange and outcome of one attempt, within its time."""

from __future__ import annotations

import ssl
from functools import cache

from yarl import URL

from sp00ky_core.config import BackendConfig, TlsConfig
from sp00ky_core.job.outcome import Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_transport_http.backend import HttpBackend, fault_of
from sp00ky_transport_http.classify import undelivered
from sp00ky_transport_http.deadlines import Deadlines
from sp00ky_transport_http.engines.choice import engine_name, new_engine
from sp00ky_transport_http.engines.exchange import Engine, Exchange, Origin

__all__ = ["HttpTransport", "tls_of"]


class HttpTransport:
    """Delivers jobs over HTTP/1.1, as ``sp00ky_core.ports.Transport`` promises.

    Connections are kept and shared between attempts, except a job's last attempt, which gets a fresh one.
    How many there may be is the caller's to bound. Nothing is ever sent twice.
    """

    def __init__(self) -> None:
        self._engines: dict[str, Engine] = {}  # that a backend has asked for
        self._is_open = False
        self._deadlines = Deadlines()
        self._targets: dict[str, _Target] = {}

    async def open(self) -> None:
        """Get ready; opening an open transport does nothing."""
        self._is_open = True

    async def close(self) -> None:
        """Close every connection; closing a closed transport does nothing."""
        self._is_open = False
        self._targets.clear()
        for engine in self._engines.values():
            await engine.close()

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Send the request and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        if not self._is_open:
            raise RuntimeError("the transport isn't open: await open() first")
        try:
            target = self._targets.get(attempt.backend.name)
            if target is None or target.config is not attempt.backend or target.has_token_file:
                target = await self._target(attempt.backend)
            request = target.build(attempt)
            if isinstance(request, Undelivered):
                return request
            limit = attempt.backend.max_response_bytes
            exchange = Exchange(
                request=request,
                origin=target.origin,
                limit=limit,
                fresh=attempt.last,
                read=attempt.backend.request_id,
            )
            failure = await self._deadlines.run(target.engine, exchange, attempt.timeout)
            response, has_result = exchange.response, request.template.has_result
            if response is None:
                return undelivered(exchange, failure, target.builder.redaction)
            return target.outcome(response, has_result=has_result)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this job's
            return fault_of(attempt, error)

    async def _target(self, backend: BackendConfig) -> _Target:
        target = self._targets.get(backend.name)
        if target is not None and target.is_of(backend):
            return target
        name = engine_name(backend)
        engine = self._engines.get(name)
        if engine is None:
            engine = self._engines[name] = new_engine(name)
        await engine.open()
        target = self._targets[backend.name] = _Target(backend, engine)
        return target


class _Target(HttpBackend):
    """A backend, and how its requests get there."""

    def __init__(self, config: BackendConfig, engine: Engine) -> None:
        super().__init__(config)
        self.engine = engine
        self.origin = _origin(config)
        self.has_token_file = config.token_file is not None  # whose token may be another one any time


def _origin(backend: BackendConfig) -> Origin:
    url = URL(backend.base_url)
    return Origin(
        host=url.raw_host or "",
        port=url.port or 0,
        tls=tls_of(backend.tls) if url.scheme == "https" else None,
        proxy=URL(backend.proxy.value) if backend.proxy else None,
    )


def tls_of(config: TlsConfig | None) -> ssl.SSLContext:
    """Return how TLS is spoken with a backend. Raises ``ConfigError`` if a file can't be used."""
    return _for_http_1(config.context()) if config else _default_tls()


@cache
def _default_tls() -> ssl.SSLContext:
    """Return what trusts the system's authorities and shows no certificate."""
    return _for_http_1(ssl.create_default_context())


def _for_http_1(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context
