"""Write settlements one by one where a batch took too long: one of its rows may be to blame.

A trigger of the user's that waits for a lock, for one, then holds up its own row only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from sp00ky_core.errors import Sp00kyError, StoreError, StoreUnavailable
from sp00ky_core.ports import SettleFate, Settlement, SettleResult

WRITERS = 4
"""Connections that suspects are written on, at most."""

SLOW = "the database takes too long to write it; it is written apart from the others"


class SlowSettles:
    """Settlements that are being written alone; one that is asked for again meanwhile is ``busy``.

    Once it is done, the database itself says what has become of it.
    """

    def __init__(self, write: Callable[[Settlement], Awaitable[SettleResult]]) -> None:
        self._write = write
        self._tasks: dict[Settlement, asyncio.Task[SettleResult]] = {}
        self._writers = asyncio.Semaphore(WRITERS)
        self._error: StoreError | None = None  # of the last batch that took too long

    def busy(self, settlements: Collection[Settlement]) -> dict[Settlement, SettleResult]:
        """Return the results of those that are being written.

        Raises:
            StoreUnavailable: all of them are: it needn't be their own fault.
        """
        if not self._tasks:
            return {}
        busy = {each: _busy(each, SLOW) for each in settlements if each in self._tasks}
        if self._error is not None and busy.keys() >= set(settlements):
            raise StoreUnavailable(store=self._error.store, problem=self._error.problem)
        return busy

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
        tasks = {each: self._start(each) for each in suspects}
        await asyncio.wait(tasks.values(), timeout=seconds)
        if not any(map(_is_written, tasks.values())):
            raise error
        return [_result(each, tasks[each]) for each in suspects]

    async def close(self) -> None:
        """Stop writing."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, settlement: Settlement) -> asyncio.Task[SettleResult]:
        task = self._tasks.get(settlement)
        if task is None:
            task = asyncio.create_task(self._alone(settlement), name="postgres-suspect")
            self._tasks[settlement] = task
            task.add_done_callback(lambda _: self._tasks.pop(settlement))
        return task

    async def _alone(self, settlement: Settlement) -> SettleResult:
        async with self._writers:
            try:
                return await self._write(settlement)
            except Sp00kyError as error:
                return _busy(settlement, str(error))


def _is_written(task: asyncio.Task[SettleResult]) -> bool:
    return task.done() and not task.cancelled() and task.result().fate is not SettleFate.BUSY


def _result(settlement: Settlement, task: asyncio.Task[SettleResult]) -> SettleResult:
    return task.result() if task.done() and not task.cancelled() else _busy(settlement, SLOW)


def _busy(settlement: Settlement, problem: str) -> SettleResult:
    return SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=problem)
