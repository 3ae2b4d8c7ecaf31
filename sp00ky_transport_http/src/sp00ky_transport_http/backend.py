"""Speak HTTP with one backend: make its requests, say what its responses mean."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from sp00ky_core.config import BackendConfig
from sp00ky_core.job.outcome import PROTOCOL, Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_transport_http.classify import outcome_of
from sp00ky_transport_http.request import Request, RequestBuilder
from sp00ky_transport_http.response import Response
from sp00ky_transport_http.signing import Signer

__all__ = ["HttpBackend", "fault_of"]

_log = logging.getLogger(__name__)

Build = Callable[[Attempt], Request | Undelivered]

_now = partial(datetime.now, UTC)


class HttpBackend:
    """A backend that is spoken with in HTTP, however its requests get there.

    Attributes:
        config: Its configuration.
        builder: Makes its requests.
        build: Makes the request of an attempt, signed where it is to be; see ``RequestBuilder.build``.
    """

    def __init__(self, config: BackendConfig, base_url: str | None = None) -> None:
        self.config = config
        self.builder: RequestBuilder = RequestBuilder(config, base_url)
        self._signer = Signer(config.signing_secrets)
        self.build: Build = self._signed if config.signing_secrets else self.builder.build

    def is_of(self, config: BackendConfig) -> bool:
        """Say whether it is made of this configuration, with the token that counts now."""
        is_same = self.config is config
        return is_same and (config.token_file is None or self.builder.token == config.current_token())

    def _signed(self, attempt: Attempt) -> Request | Undelivered:
        request = self.builder.build(attempt)
        return self._signer.signed(request, _now()) if isinstance(request, Request) else request

    def outcome(self, response: Response, *, has_result: bool) -> Outcome:
        """Say what a response means to the job; ``has_result``: its operation's responses have one."""
        return outcome_of(
            response,
            self.builder.redaction,
            limit=self.config.max_response_bytes,
            now=_now,
            has_result=has_result,
            request_id=self.config.request_id,
        )


def fault_of(attempt: Attempt, error: Exception) -> Undelivered:
    """Log what went wrong in a transport itself; return the outcome: one job's trouble must stay its own.

    The error's text is left out, for it could hold a secret.
    """
    facts = {"job_id": attempt.job.id, "trace_id": attempt.job.trace}
    text = "job %r (trace %s): %s in the transport"
    _log.error(text, attempt.job.id, attempt.job.trace, type(error).__name__, extra=facts)
    return Undelivered(name=PROTOCOL, reason=f"the request failed: {type(error).__name__}")
