"""Run transactions to their end, whatever becomes of their callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from sp00ky_core.errors import RowRefused, Sp00kyError, StoreClosed
from sp00ky_core.stores.transactional.connection.session import Access, Session, Work

__all__ = ["Executor"]

T = TypeVar("T")


class Executor:
    """Does work in transactions.

    A caller that is cancelled goes on at once, while the transaction comes to its own end: nothing is left
    open, and what has been written is known to ``claims_ended`` and ``close``.

    Args:
        run: Runs work in a transaction: ``TransactionalStore.run``.
        translate: Turns a driver's error into a ``StoreError``.
        location: Where the store is: ``Store.location``.
        cancels: ``run`` is cancelled with its caller: see ``Primitives.cancels``.
    """

    def __init__(
        self,
        run: Callable[[Work[Any], Access], Coroutine[Any, Any, Any]],
        translate: Callable[[Exception], Exception],
        location: Callable[[], str],
        *,
        cancels: bool = False,
    ) -> None:
        self._run = run
        self._translate = translate
        self._location = location
        self._cancels = cancels
        self.is_open: bool = False
        self._running: set[asyncio.Future[Any]] = set()
        self._claiming: set[asyncio.Future[Any]] = set()

    def open(self) -> None:
        """Take work, again if it was closed."""
        self.is_open = True

    async def close(self) -> None:
        """Take no more work, and wait for all that has begun."""
        self.is_open = False
        while self._running:
            await asyncio.wait(self._running)

    async def read(self, work: Work[T]) -> T:
        """Do work that writes nothing."""
        return await self.do(work, Access.READ)

    async def write(self, work: Work[T]) -> T:
        """Do work that writes."""
        return await self.do(work, Access.WRITE)

    async def do(self, work: Work[T], access: Access, *, claims: bool = False) -> T:
        """Do work in a transaction of its own. Errors are ours.

        Raises:
            StoreClosed: It isn't open.
        """
        if not self.is_open:
            raise StoreClosed(store=self._location())
        running: asyncio.Future[T] = asyncio.ensure_future(self._translated(self._run(work, access)))
        for kept in (self._running, self._claiming) if claims else (self._running,):
            kept.add(running)
            running.add_done_callback(kept.discard)
        running.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if self._cancels:
                running.cancel()
            raise

    async def isolated(self, work: Callable[[bool], Work[T]], *, claims: bool = False) -> T:
        """Write rows together; where one is refused, do it again with each in a savepoint of its own.

        Args:
            work: Makes the work; its argument is whether rows are written apart.
            claims: ``claims_ended`` waits for it.
        """
        try:
            return await self.do(work(False), Access.WRITE, claims=claims)
        except RowRefused:
            return await self.do(work(True), Access.WRITE, claims=claims)

    async def claims_ended(self) -> None:
        """Wait for the claims that have begun, those of cancelled callers included."""
        while self._claiming:
            await asyncio.wait(self._claiming)

    def within(self, session: Session, work: Work[T]) -> Coroutine[Any, Any, T]:
        """Do work in a caller's transaction, which goes on."""

        async def joined() -> T:
            await session.join()
            return await work(session)

        return self._translated(joined())

    async def _translated(self, running: Awaitable[T]) -> T:
        try:
            return await running
        except Sp00kyError:
            raise
        except Exception as error:
            translated = self._translate(error)
            if translated is error:
                raise
            raise translated from error


def _retrieve(running: asyncio.Future[Any]) -> None:
    """Take an error that no caller waits for any more, for its caller was cancelled."""
    with suppress(asyncio.CancelledError):
        running.exception()
