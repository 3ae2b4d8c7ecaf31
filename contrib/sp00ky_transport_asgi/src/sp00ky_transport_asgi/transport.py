"""Deliver a job by calling an application: request, call and outcome of one attempt, within its time."""

from __future__ import annotations

import traceback
from functools import partial

import attrs

from sp00ky_core import Attempt, BackendConfig, Delivered, Outcome, Undelivered
from sp00ky_core.job.outcome import CONNECT
from sp00ky_transport_asgi.application import Application
from sp00ky_transport_asgi.call import AsgiCall
from sp00ky_transport_asgi.own_loop import Caller
from sp00ky_transport_asgi.target import Target, TargetProblem, options_of
from sp00ky_transport_http.backend import HttpBackend, fault_of

__all__ = ["AsgiTransport"]


class _Backend(HttpBackend):
    def __init__(self, config: BackendConfig, application: Application) -> None:
        super().__init__(config, f"http://{options_of(config).host}{Target.of(config).prefix}")
        self.application = application

    def naming(self, error: BaseException, outcome: Outcome) -> Outcome:
        """Say in a failure's reason what the application raised, redacted, unless it is to be hidden."""
        if isinstance(outcome, Delivered) or options_of(self.config).hide_errors:
            return outcome
        redacted = self.builder.redaction.text
        said = redacted(" ".join(f"{type(error).__name__}: {error}".split()))
        trace = redacted("".join(traceback.format_exception(error)))
        return attrs.evolve(outcome, reason=f"HTTP {outcome.code}: {said}", trace=trace)


class AsgiTransport(Caller):
    """Delivers jobs to applications in this process, as ``sp00ky_core.ports.Transport`` promises.

    Args:
        loop: In place of what backends' options say.
    """

    def __init__(self, loop: str = "") -> None:
        super().__init__()
        self._loop = loop
        self._loops: dict[Target, str] = {}
        self._backends: dict[str, _Backend] = {}

    async def close(self) -> None:
        """Leave the applications; who is the last one ends them."""
        self._backends.clear()
        await super().close()

    async def prepare(self, backend: BackendConfig) -> None:
        """Import and start a backend's application. Raises ``TargetProblem``."""
        await self._entered(backend)

    async def _entered(self, backend: BackendConfig) -> Application:
        target, loop = Target.of(backend), self._loop or options_of(backend).loop
        if self._loops.setdefault(target, loop) != loop:
            raise TargetProblem(f"{target} has another `loop` for another backend; give it one for all")
        return await self.enter(target, partial(Application, target, loop))

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Call the application and say what came of it, within ``attempt.timeout``; see ``Transport``."""
        try:
            backend = self._backends.get(attempt.backend.name)
            if backend is None or backend.application.has_ended or not backend.is_of(attempt.backend):
                backend = _Backend(attempt.backend, await self._entered(attempt.backend))
                self._backends[attempt.backend.name] = backend
            request = backend.build(attempt)
            if isinstance(request, Undelivered):
                return request
            call = AsgiCall(attempt, self.home, request, backend.application)
            answer = await self.answered(call, backend.application, backend.application.post)
            if isinstance(answer, Undelivered):
                return answer
            outcome = backend.outcome(answer, has_result=request.template.has_result)
            return backend.naming(call.raised, outcome) if call.raised else outcome
        except TargetProblem as problem:
            return Undelivered(name=CONNECT, reason=problem.place)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this job's
            return fault_of(attempt, error)
