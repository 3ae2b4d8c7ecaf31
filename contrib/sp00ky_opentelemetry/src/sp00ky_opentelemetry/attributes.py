"""Name attributes as the semantic conventions for messaging have them.

https://opentelemetry.io/docs/specs/semconv/messaging/ (the destination is a backend, a message is a job).
"""

from __future__ import annotations

from opentelemetry.util.types import AttributeValue

from sp00ky_core import Delivered, Outcome

SYSTEM, OPERATION = "messaging.system", "messaging.operation.name"
OPERATION_TYPE, DESTINATION = "messaging.operation.type", "messaging.destination.name"
MESSAGE_ID, ERROR_TYPE, STATUS_CODE = "messaging.message.id", "error.type", "http.response.status_code"
PATH, ATTEMPT = "sp00ky.path", "sp00ky.attempt"


def common(operation: str, backend: str) -> dict[str, AttributeValue]:
    """Return the attributes of spans and metrics of an operation on a backend's queue."""
    return {SYSTEM: "sp00ky", OPERATION: operation, DESTINATION: backend}


def error_type(outcome: Outcome) -> str | None:
    """Return a failed attempt's code, such as an HTTP status, or its name; None: it was delivered."""
    if isinstance(outcome, Delivered):
        return None
    return str(outcome.code) if outcome.code else outcome.name
