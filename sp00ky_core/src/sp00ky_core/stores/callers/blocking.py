"""Run coroutines without an event loop, where nothing in them ever waits."""

from __future__ import annotations

from typing import Any

__all__ = ["finished"]


def finished(coroutine: Any) -> Any:
    """Run a coroutine that awaits nothing but calls that never suspend, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("a transaction's work has awaited something besides its session")
