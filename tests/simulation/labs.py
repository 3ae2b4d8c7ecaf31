"""Stores whose time can be moved."""

from collections.abc import Awaitable
from typing import Protocol, TypeVar, cast

from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.testing.perform import FakeClock
from sp00ky_store_kit.memory import MemoryStore

__all__ = ["Lab", "MemoryLab"]

T = TypeVar("T")


class Lab(Protocol):
    """A store whose time can be moved."""

    store: Store

    def run(self, work: Awaitable[T]) -> T:
        """Await a call of the store, outside of any event loop."""

    def pass_time(self, seconds: float) -> None:
        """Let the store's clock, or every instant in its job table, move."""

    def close(self) -> None:
        """Let go of the store."""


class MemoryLab:
    """The memory store, or one derived from it."""

    def __init__(self, options: StoreOptions, store: type[MemoryStore] = MemoryStore) -> None:
        self._clock = FakeClock()
        self.store: Store = store(options, now=self._clock.now)

    def run(self, work: Awaitable[T]) -> T:
        """See ``Lab.run``; its calls never wait for anything."""
        try:
            next(work.__await__())
        except StopIteration as end:
            return cast("T", end.value)
        raise AssertionError("a call of the memory store waits for something")

    def pass_time(self, seconds: float) -> None:
        """See ``Lab.pass_time``."""
        self._clock.advance(seconds)

    def close(self) -> None:
        """See ``Lab.close``."""
