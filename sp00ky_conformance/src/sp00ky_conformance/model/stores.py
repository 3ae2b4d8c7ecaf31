"""Call a store and the memory store alike, outside of any event loop."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import attrs
from hypothesis.stateful import RuleBasedStateMachine

from sp00ky_conformance.model.job_in_both_stores import Pair
from sp00ky_core.gate.breaker import Breaker
from sp00ky_core.ports import JobTable, Store, StoreCapabilities, StoreFactory, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_kit.memory import MemoryStore

__all__ = ["BACKENDS", "TwoStores"]

T = TypeVar("T")

BACKENDS = ("api", "mail")

MAX_IN_FLIGHT = 2

TIMEOUT = 600.0
"""Seconds; no lease of either store ends while an example is run."""


class TwoStores(RuleBasedStateMachine):
    """A store and the memory store, with the same jobs; the rules are its subclass's."""

    make_store: StoreFactory

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory()
        suffix = new_key()[-12:]
        self.names: dict[str, str] = {
            backend: f"{backend}-{suffix}" for backend in BACKENDS
        }  # breakers are kept by them
        options = StoreOptions(
            url="model://",
            tables=tuple(
                JobTable(backend=name, table=f"{backend}_{suffix}", timeout=TIMEOUT)
                for backend, name in self.names.items()
            ),
            directory=Path(self._folder.name),
        )
        options = _limited(options, type(self).make_store(options).capabilities)
        self.real: Store = type(self).make_store(options)
        self.reference: Store = MemoryStore(options)
        self.pairs: list[Pair] = []
        self.breakers: dict[str, Breaker] = {}  # as they were last seen
        self.rescheduled = 0
        self.attempts: dict[int, int] = {}  # since an operator retried it last, by the job's number
        self.run(self.real.open())
        self.run(self.real.migrate())

    def run(self, work: Awaitable[T]) -> T:
        """Await, outside of any event loop."""

        async def awaited() -> T:
            return await work

        return self._loop.run(awaited())

    def both(self, call: Callable[[Store], Awaitable[T]]) -> tuple[T, T]:
        """Make the same call on the store and on the memory store."""
        return self.run(call(self.real)), self.run(call(self.reference))

    def teardown(self) -> None:
        """Let go of the store and of its folder."""
        self.run(self.real.close())
        self._loop.close()
        self._folder.cleanup()

    def number(self, job_id: str) -> int:
        """Find the job by its id in either store."""
        return next(pair.number for pair in self.pairs if job_id in {pair.real, pair.reference})


def _limited(options: StoreOptions, capabilities: StoreCapabilities) -> StoreOptions:
    """Limit the second backend where it is certain which jobs a claim takes."""
    if not capabilities.exact_order:
        return options
    first, second = options.tables
    return attrs.evolve(options, tables=(first, attrs.evolve(second, max_in_flight=MAX_IN_FLIGHT)))
