"""Open a backend's breaker, so that its next claim is a probe."""

from __future__ import annotations

from sp00ky_conformance.store.harness import API
from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import Breaker, Failed, change_after
from sp00ky_core.ports import Store

__all__ = ["open_breaker"]

BREAKER = BreakerConfig(failures=1, interval=1e-9)  # its pause has passed at the next look


async def open_breaker(store: Store, backend: str = API) -> None:
    """Open a breaker that is as if new; the next claim of its backend may take a probe."""
    change = change_after(backend, Breaker(), Failed(), BREAKER)
    assert change is not None
    assert (await store.change_breaker(change)).written
