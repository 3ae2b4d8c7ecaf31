"""Test that a transport over HTTP signs requests as Standard Webhooks has it, where the backend wants it."""

# ruff: noqa: D102  # the name of a test says what it asserts
from __future__ import annotations

import hmac
from base64 import b64decode, b64encode

import attrs
import pytest

from sp00ky_conformance.transport.answering import Received
from sp00ky_conformance.transport.attempts import attempt_for, with_parameters
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.suite import TransportConformance, result_of
from sp00ky_core.config import Secret
from sp00ky_core.ports import Attempt, Transport

__all__ = ["SigningConformance"]

_NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_OLD = "whsec_" + b64encode(bytes(range(32))).decode()


@pytest.mark.asyncio
class SigningConformance(TransportConformance):
    """Ask of a backend's ``signingSecret`` what ``HttpTransportConformance`` does of the rest."""

    async def test_signs_the_body_by_each_secret_the_newest_first(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        payload = b'{ "id" : 7, "text": "\xf0\x9f\x91\xbb" }'
        await delivering.deliver(_signed(attempt_for(server.url, "/json", payload=payload), _NEW, _OLD))
        (request,) = server.requests
        assert request.body == payload
        assert request.headers["webhook-id"] == request.headers["idempotency-key"] == "job:018f4e2a"
        assert (
            request.headers["webhook-signature"] == f"{_signature(request, _NEW)} {_signature(request, _OLD)}"
        )

    async def test_signs_the_empty_body_of_a_request_that_has_none(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        attempt = attempt_for(server.url, "/echo", method="GET", payload={"id": "x"})
        await delivering.deliver(_signed(attempt, _NEW))
        (request,) = server.requests
        assert request.body == b""
        assert request.headers["webhook-signature"] == _signature(request, _NEW)

    async def test_signs_each_attempt_anew_with_the_same_id(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        attempt = _signed(attempt_for(server.url, "/json"), _NEW)
        await delivering.deliver(attempt)
        await delivering.deliver(attrs.evolve(attempt, number=2, last=True))
        assert {request.headers["webhook-id"] for request in server.requests} == {"job:018f4e2a"}
        assert [request.headers["webhook-signature"] for request in server.requests] == [
            _signature(request, _NEW) for request in server.requests
        ]

    async def test_signs_nothing_without_a_secret(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        await delivering.deliver(attempt_for(server.url, "/json"))
        assert not [name for name in server.requests[0].headers if name.startswith("webhook-")]

    async def test_lets_neither_a_plugin_nor_a_payload_write_a_signature(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        forged = {"Webhook-Id": "forged", "webhook-signature": "forged"}
        attempt = attempt_for(server.url, "/json", headers=forged, payload={"webhook-timestamp": "1"})
        await delivering.deliver(_signed(with_parameters(attempt, "header", "webhook-timestamp"), _NEW))
        (request,) = server.requests
        assert request.headers["webhook-id"] == "job:018f4e2a"
        assert int(request.headers["webhook-timestamp"]) > 1
        assert request.headers["webhook-signature"] == _signature(request, _NEW)

    async def test_keeps_no_signing_secret_of_an_answer(
        self, delivering: Transport, server: MisbehavingBackend
    ) -> None:
        attempt = attempt_for(server.url, "/echo", payload={"secrets": [_OLD, _NEW]})
        outcome = await delivering.deliver(_signed(attempt, _NEW, _OLD))
        assert result_of(outcome)["body"] == '{"secrets":["***","***"]}'


def _signed(attempt: Attempt, *secrets: str) -> Attempt:
    backend = attrs.evolve(attempt.backend, signing_secrets=tuple(map(Secret, secrets)))
    return attrs.evolve(attempt, backend=backend)


def _signature(request: Received, secret: str) -> str:
    """Return the signature that a request should have, by the words of the standard."""
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
    key = b64decode(secret.removeprefix("whsec_"))
    return "v1," + b64encode(hmac.digest(key, head.encode() + request.body, "sha256")).decode()
