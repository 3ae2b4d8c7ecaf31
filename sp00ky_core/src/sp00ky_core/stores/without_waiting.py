"""Run coroutines that never wait, so that one code serves synchronous callers, too."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

__all__ = ["finished"]

T = TypeVar("T")


def finished(coroutine: Awaitable[T]) -> T:
    """Run a coroutine that awaits nothing but calls that never suspend, and return its result."""
    running: Any = coroutine
    try:
        running.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    running.close()
    raise RuntimeError("a transaction's work has awaited something besides its session")
