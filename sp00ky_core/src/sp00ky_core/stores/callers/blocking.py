"""Run coroutines without an event loop, where nothing in them ever waits."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, cast

__all__ = ["finished"]


def finished(coroutine: Any) -> Any:
    """Run a coroutine that awaits nothing but calls that never suspend, and return its result."""
    running = cast("Coroutine[Any, Any, Any]", coroutine)
    try:
        running.send(None)
    except StopIteration as end:
        return end.value
    running.close()
    raise RuntimeError("a transaction's work has awaited something besides its session")
