"""The signature of a request is one that the standard's own library accepts, with each of the secrets."""

from base64 import b64encode
from datetime import UTC, datetime

import attrs
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_core.config import Secret
from sp00ky_transport_http.request import Request, RequestBuilder
from sp00ky_transport_http.signing import Signer

NEW, OLD = (Secret("whsec_" + b64encode(bytes([n]) * 32).decode()) for n in (1, 2))
PAYLOAD = '{"text": "\N{GHOST}"}'.encode()


def signed(at: datetime, job_id: str = "job:1") -> Request:
    attempt = attempt_for("http://api.test", "/json", payload=PAYLOAD)
    attempt = attrs.evolve(attempt, job=attrs.evolve(attempt.job, id=job_id))
    request = RequestBuilder(attempt.backend).build(attempt)
    assert isinstance(request, Request)
    return Signer((NEW, OLD)).signed(request, at)


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_the_library_verifies_with_either_secret(secret: Secret) -> None:
    request = signed(datetime.now(UTC))
    assert Webhook(secret.value).verify(PAYLOAD, request.headers) == {"text": "\N{GHOST}"}
    for changed in (PAYLOAD + b" ", b"{}"):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret.value).verify(changed, request.headers)


@pytest.mark.parametrize(
    ("job_id", "message_id"),
    [
        ("job:\N{GHOST} 1", "job:%F0%9F%91%BB%201"),
        ("job:a.b", "job:a%2Eb"),
        ("job:a%2Eb", "job:a%252Eb"),
        ("job:\N{GHOST}.1", "job:%F0%9F%91%BB%2E1"),
    ],
)
def test_the_id_is_the_key_without_a_dot(job_id: str, message_id: str) -> None:
    request = signed(datetime.now(UTC), job_id=job_id)
    assert request.headers["webhook-id"] == message_id
    assert request.headers["Idempotency-Key"] == message_id.replace("%2E", ".")
    Webhook(OLD.value).verify(PAYLOAD, request.headers)
