"""Write a job as a message: its properties, its headers, its body as it came. Pure."""

from __future__ import annotations

from aio_pika import DeliveryMode, Message

from sp00ky_core import Attempt


def message_of(attempt: Attempt, event_type: str | None) -> Message:
    """Return the message of an attempt; ``event_type``: it is a CloudEvent of that type."""
    job = attempt.job
    traced = {"traceparent": job.traceparent} if job.traceparent else {}
    own = {"Idempotency-Key": job.id, "Sp00ky-Attempt": f"{attempt.number}"}
    static = {name: secret.value for name, secret in attempt.backend.headers.items()}
    event = {} if event_type is None else _event(attempt, event_type)
    return Message(
        job.payload_json,
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=job.id,
        headers={**static, **traced, **attempt.headers, **event, **own},
    )


def _event(attempt: Attempt, event_type: str) -> dict[str, str]:
    """Return a CloudEvent's attributes in the binary mode: as headers, the data is the body."""
    source, since = f"/sp00ky/{attempt.backend.name}", attempt.job.created_at
    attributes = {"specversion": "1.0", "id": attempt.job.id, "source": source, "type": event_type}
    if since is not None:
        attributes["time"] = since.isoformat()
    return {f"cloudEvents:{name}": value for name, value in attributes.items()}
