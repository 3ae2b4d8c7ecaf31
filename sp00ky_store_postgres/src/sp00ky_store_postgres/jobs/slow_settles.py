"""Write settlements one by one where a batch took too long: one of its rows may be to blame.

A trigger of the user's that waits for a lock, for one, then holds up its own row only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from sp00ky_core.errors import Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.ports import SettleFate, Settlement, SettleResult

__all__ = ["SlowSettles"]

WRITERS = 4
"""Executor that suspects are written on, at most."""

MOST = 10_000
"""Suspects under way at most; further batches that take too long are reported as that."""

FORGET = 60.0
"""Seconds after which the result of one that no caller has asked for is forgotten."""

SLOW = "the database takes too long to write it; it is written apart from the others"


class SlowSettles:
    """Settlements that are being written alone; each is asked for again until it is done."""

    def __init__(self, write: Callable[[Settlement], Awaitable[SettleResult]]) -> None:
        self._write = write
        self._tasks: dict[Settlement, asyncio.Task[SettleResult]] = {}
        self._writers = asyncio.Semaphore(WRITERS)
        self._error: StoreError | None = None  # of the last batch that took too long

    def __contains__(self, settlement: Settlement) -> bool:
        return settlement in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    async def settle(
        self, suspects: Sequence[Settlement], seconds: float, error: StoreError
    ) -> list[SettleResult]:
        """Write a batch that took too long row by row; what isn't written by then is ``busy``.

        Args:
            suspects: the batch.
            seconds: for how long to wait.
            error: what to raise where not one can be written, for then it is the database's fault.
        """
        self._error = error
        if len(self) + len(suspects) > MOST:
            raise error
        tasks = [self._start(each) for each in suspects]
        await asyncio.wait(tasks, timeout=seconds)
        if not any(_is_written(task) for task in tasks):
            raise error
        taken = {each: self.take(each) for each in dict.fromkeys(suspects)}
        return [taken[each] for each in suspects]

    def raise_if_stuck(self, suspects: Iterable[Settlement]) -> None:
        """Raise the last batch's error where none of these is done: it needn't be their own fault."""
        if self._error is not None and not any(self._tasks[each].done() for each in suspects):
            raise StoreUnavailable(store=self._error.store, problem=self._error.problem)

    def take(self, settlement: Settlement) -> SettleResult:
        """Return what has become of a suspect, and forget it once it is done."""
        task = self._tasks.get(settlement)
        if task is None or not task.done():
            return _busy(settlement, SLOW)
        del self._tasks[settlement]
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or isinstance(error, Sp00kyError):
            return _busy(settlement, str(error or SLOW))
        return task.result()

    async def close(self) -> None:
        """Stop writing."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, settlement: Settlement) -> asyncio.Task[SettleResult]:
        if settlement not in self._tasks:
            task = asyncio.create_task(self._alone(settlement), name="postgres-suspect")
            task.add_done_callback(lambda _: self._forget_later(settlement))
            self._tasks[settlement] = task
        return self._tasks[settlement]

    def _forget_later(self, settlement: Settlement) -> None:
        """Forget it once its lease is over: who asked may never ask again."""
        asyncio.get_running_loop().call_later(FORGET, self._forget, settlement)

    def _forget(self, settlement: Settlement) -> None:
        if settlement in self._tasks and self._tasks[settlement].done():
            self.take(settlement)

    async def _alone(self, settlement: Settlement) -> SettleResult:
        async with self._writers:
            return await self._write(settlement)


def _is_written(task: asyncio.Task[SettleResult]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _busy(settlement: Settlement, problem: str) -> SettleResult:
    return SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=problem)
