"""What a message is made of."""

from datetime import UTC, datetime

import attrs
from tests.transport_amqp.conftest import attempt_at

from sp00ky_core.config import Secret
from sp00ky_transport_amqp.message import message_of


def test_a_cloud_event_has_its_attributes_as_headers_and_its_data_as_the_body() -> None:
    since = datetime(2026, 11, 30, 12, tzinfo=UTC)
    attempt = attempt_at("amqp://x", "/orders/order.paid", payload=b'{ "id": 7 }', job={"created_at": since})
    message = message_of(attempt, "order.paid")
    assert message.body == b'{ "id": 7 }'
    assert message.content_type == "application/json"
    assert message.headers == {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": attempt.job.id,
        "cloudEvents:source": "/sp00ky/api",
        "cloudEvents:type": "order.paid",
        "cloudEvents:time": "2026-11-30T12:00:00+00:00",
        "Idempotency-Key": attempt.job.id,
        "Sp00ky-Attempt": "1",
    }


def test_no_plugin_sets_what_is_the_jobs_own() -> None:
    attempt = attempt_at("amqp://x", "/paid", headers={"Idempotency-Key": "another", "Tenant": "7"})
    backend = attrs.evolve(attempt.backend, headers={"X-Team": Secret("shop")})
    assert message_of(attrs.evolve(attempt, backend=backend), None).headers == {
        "X-Team": "shop",
        "Idempotency-Key": attempt.job.id,
        "Sp00ky-Attempt": "1",
        "Tenant": "7",
    }
