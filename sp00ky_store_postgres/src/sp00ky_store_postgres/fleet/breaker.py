"""Read breakers as claims return them."""

from __future__ import annotations

from typing import Any

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.gate.breaker import Breaker, BreakerState


def breaker_of(text: str) -> tuple[str, Breaker]:
    """Return a backend and its breaker, as ``breaker_read`` writes them."""
    fields: dict[str, Any] = decode(text)
    backend = fields.pop("backend")
    return backend, Breaker(**{**fields, "state": BreakerState(fields["state"])})
