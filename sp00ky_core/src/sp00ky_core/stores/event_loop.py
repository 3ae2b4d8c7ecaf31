"""Keep a store to the event loop in which it was opened; a base of what works with such a store."""

from __future__ import annotations

import asyncio

from sp00ky_core.backend.backend import Backends
from sp00ky_core.errors import OtherEventLoop
from sp00ky_core.ports import Store
from sp00ky_core.stores.named_jobs import NamedJobs


class LoopStore:
    """A store, whose connections are of the event loop in which it was opened.

    Attributes:
        store: The store itself, for what needs none of its connections.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Open it in this event loop."""
        if self.store.capabilities.one_loop:
            self._loop = asyncio.get_running_loop()
        await self.store.open()

    async def close(self) -> None:
        """Close it. Raises ``OtherEventLoop``."""
        await self.here().close()
        self._loop = None

    def here(self) -> Store:
        """Return the store. Raises ``OtherEventLoop`` in another event loop than where it is open."""
        if self._loop is not None:
            try:
                running = asyncio.get_running_loop()
            except RuntimeError:
                return self.store  # nothing can be awaited here
            if running is not self._loop:
                raise OtherEventLoop(store=self.store.location)
        return self.store


class StoreUser:
    """Work with the store of an outbox; a base of it.

    Attributes:
        backends: By name.
    """

    backends: Backends
    _loop_store: LoopStore

    @property
    def store(self) -> Store:
        """The store. Raises ``OtherEventLoop`` in another event loop than where the outbox is open."""
        return self._loop_store.here()

    @property
    def jobs(self) -> NamedJobs:
        """The store's jobs, by the names of sp00ky.yml. Raises ``OtherEventLoop`` as ``store`` does."""
        return NamedJobs(self.store, self.backends)

    def _jobs_with(self, connection: object) -> NamedJobs:
        """Return the jobs; where a caller's connection is given, that is of a loop of the caller's choice."""
        return self.jobs if connection is None else NamedJobs(self._loop_store.store, self.backends)
