"""A transaction of the memory store: jobs that are there when it commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sp00ky_core.errors import StoreError
from sp00ky_core.job import Job

__all__ = ["MemoryTransaction"]


class MemoryTransaction:
    """Pass it as ``connection=``: leaving the block commits, leaving it by an exception forgets the jobs.

    While it is open, another ``add`` with a dedup key of its jobs waits for its end, as a unique index makes
    it wait in a database. Made by ``MemoryStore.transaction``.
    """

    def __init__(self, commit: Callable[[MemoryTransaction], None]) -> None:
        self.jobs: list[Job] = []
        self.keys: dict[tuple[str, str], Job] = {}  # by backend and dedup key
        self.waits_for: MemoryTransaction | None = None
        self.ended = asyncio.Event()
        self._commit = commit

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def commit(self) -> None:
        """Make the jobs visible; on a transaction that has ended, nothing."""
        if not self.ended.is_set():
            self.ended.set()
            self._commit(self)

    def rollback(self) -> None:
        """Forget the jobs; on a transaction that has ended, nothing."""
        self.jobs = []
        self.commit()

    async def wait_for(self, other: MemoryTransaction) -> None:
        """Wait for another transaction's end. Raises ``StoreError`` where that one waits for this one."""
        step: MemoryTransaction | None = other
        while step is not None:
            if step is self:
                raise StoreError(
                    store="memory://", problem="two transactions wait for each other's dedup_key"
                )
            step = step.waits_for
        self.waits_for = other
        try:
            await other.ended.wait()
        finally:
            self.waits_for = None
