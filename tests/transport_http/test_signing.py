"""The signature of a request is one that the standard's own library accepts, with each of the secrets."""

import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta

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


def test_an_old_request_is_no_more_accepted() -> None:
    request = signed(datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW.value).verify(PAYLOAD, request.headers)


def test_the_id_is_the_key_also_where_it_must_be_quoted() -> None:
    request = signed(datetime.now(UTC), job_id="job:\N{GHOST} 1")
    assert request.headers["webhook-id"] == request.headers["Idempotency-Key"] == "job:%F0%9F%91%BB%201"
    Webhook(OLD.value).verify(PAYLOAD, request.headers)


def test_bytes_that_are_no_text_are_signed_too() -> None:
    request = attrs.evolve(signed(datetime.now(UTC)), body=b"\0\xff")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    (first, _) = Signer((NEW, OLD)).signed(request, at).headers["webhook-signature"].split()
    digest = hmac.digest(bytes([1]) * 32, f"job:1.{int(at.timestamp())}.".encode() + b"\0\xff", "sha256")
    assert first == f"v1,{b64encode(digest).decode()}"
