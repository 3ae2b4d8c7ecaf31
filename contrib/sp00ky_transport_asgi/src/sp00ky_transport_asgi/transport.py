"""Deliver a job by calling an application: request, call and outcome of one attempt, within its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs

from sp00ky_core import Attempt, BackendConfig, Outcome, Undelivered
from sp00ky_core.job.outcome import CONNECT, PROTOCOL, RESET, THROTTLED, TIMEOUT
from sp00ky_transport_asgi.application import Application, entered, left
from sp00ky_transport_asgi.call import Call
from sp00ky_transport_asgi.target import Target, TargetProblem, options_of
from sp00ky_transport_http.classify import outcome_of
from sp00ky_transport_http.request import RequestBuilder
from sp00ky_transport_http.signing import Signer

__all__ = ["AsgiTransport"]

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True, eq=False)
class _Backend:
    config: BackendConfig
    target: Target
    builder: RequestBuilder
    signer: Signer | None


class AsgiTransport:
    """Delivers jobs to applications in this process, as ``sp00ky_core.ports.Transport`` promises."""

    def __init__(self) -> None:
        self._applications: dict[Target, Application] = {}
        self._backends: dict[str, _Backend] = {}
        self._entering = asyncio.Lock()

    async def open(self) -> None:
        """Do nothing: applications are started by ``prepare``, or by the first job."""

    async def close(self) -> None:
        """Leave the applications; who is the last one ends them."""
        while self._applications:
            target = next(iter(self._applications))
            await left(target, self._applications.pop(target), self)

    async def prepare(self, backends: Sequence[BackendConfig]) -> Mapping[str, str]:
        """Import and start the applications of these backends; say of which it can't be done."""
        problems = {}
        for backend in backends:
            try:
                await self._entered(Target.of(backend), backend)
            except TargetProblem as problem:
                problems[backend.name] = str(problem)
        return problems

    async def _entered(self, target: Target, backend: BackendConfig) -> Application:
        async with self._entering:
            application = self._applications.get(target)
            if application is not None and application.has_ended:
                await left(target, self._applications.pop(target), self)
                application = None
            if application is None:
                application = await entered(target, options_of(backend).loop, self)
                self._applications[target] = application
            return application

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Call the application and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        try:
            return await self._deliver(attempt)
        except TargetProblem as problem:
            return Undelivered(name=CONNECT, reason=problem.place)
        except Exception as error:  # noqa: BLE001  # one job's trouble must stay its own
            # Its text is left out, for it could hold a secret.
            _log.error("job %r: %s in the transport", attempt.job.id, type(error).__name__)
            return Undelivered(name=PROTOCOL, reason=f"the call failed: {type(error).__name__}")

    async def _deliver(self, attempt: Attempt) -> Outcome:
        backend = self._backend(attempt.backend)
        request = backend.builder.build(attempt)
        if isinstance(request, Undelivered):
            return request
        application = self._applications.get(backend.target)
        if application is None or application.has_ended:
            application = await self._entered(backend.target, attempt.backend)
        now = datetime.now(UTC)
        if backend.signer is not None:
            request = backend.signer.signed(request, now)
        call = Call(attempt, request)
        await _answered(application, call, attempt.timeout)
        if call.response is None:
            return _unanswered(call)
        redaction, limit = backend.builder.redaction, attempt.backend.max_response_bytes
        has_result = request.template.has_result
        return outcome_of(call.response, redaction, limit=limit, now=now, has_result=has_result)

    def _backend(self, config: BackendConfig) -> _Backend:
        """Return how a backend's requests are made: as over HTTP. Raises ``TargetProblem``."""
        known = self._backends.get(config.name)
        if known and known.config is config and known.builder.token == config.current_token():
            return known
        target = Target.of(config)
        url = f"http://{options_of(config).host}{target.prefix}"
        made = _Backend(
            config=config,
            target=target,
            builder=RequestBuilder(attrs.evolve(config, base_url=url)),
            signer=Signer(config.signing_secrets) if config.signing_secrets else None,
        )
        self._backends[config.name] = made
        return made


async def _answered(application: Application, call: Call, seconds: float) -> None:
    """Wait for a call's response, as long as it is given; a head that has come decides, whoever cancels."""
    application.call(call)
    is_over = asyncio.wrap_future(call.over)
    try:
        async with asyncio.timeout(seconds):
            await is_over
    except (TimeoutError, asyncio.CancelledError) as error:
        is_begun = not call.over.cancel()
        application.forsake(call)
        if call.response is not None:
            call.response.complete = False
        elif is_begun and isinstance(error, asyncio.CancelledError):
            raise


def _unanswered(call: Call) -> Undelivered:
    if call.over.cancelled():
        return Undelivered(name=THROTTLED, reason="not begun: the application's loop is busy, or has ended")
    if call.is_cut_off:
        return Undelivered(name=RESET, reason="the application's loop has ended")
    return Undelivered(name=TIMEOUT, reason="no answer in time")
