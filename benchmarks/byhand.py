"""Deliver as one would by hand, and no more: no retries, no leases, no contract, no word about failures."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.measure import Sample, Stopwatch
from benchmarks.project import SLOTS

__all__ = ["deliver_by_hand", "fused", "Row", "Outcome"]

Row = Sequence[Any]
"""Of a claimed job: id, path, payload as text, epoch."""

Outcome = tuple[Any, int, str | None]
"""Of a job: id, epoch, what was answered."""

CLAIM = """
UPDATE job
SET status = 'processing', lease_epoch = lease_epoch + 1, lease_until = now() + interval '40 s',
    runner_id = 'me'
WHERE id = ANY (ARRAY(
    SELECT id FROM job WHERE status = 'pending' AND run_at <= now()
    ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
))
RETURNING id, path, payload, lease_epoch
"""
SETTLE = """
UPDATE job SET status = 'success', result = given.result::json, lease_until = NULL, runner_id = NULL
FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS given (id, epoch, result)
WHERE job.id = given.id AND job.lease_epoch = given.epoch AND job.status = 'processing'
"""
HEADERS = {"Content-Type": "application/json"}

AHEAD = 10 * SLOTS
"""Jobs that wait to be settled, until no more are claimed."""


class _Fused:
    """Claims, deliveries and settles that wait for each other as little as they can."""

    def __init__(
        self,
        claim: Callable[[int], Awaitable[Sequence[Row]]],
        settle: Callable[[list[Outcome]], Awaitable[object]],
        jobs: int,
    ) -> None:
        self._claim, self._settle = claim, settle
        self._left = jobs
        self._ready: deque[Row] = deque()
        self._done: deque[Outcome] = deque()
        self._room, self._work, self._outcomes = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()

    async def claim(self) -> None:
        claimed = SLOTS
        while claimed == SLOTS:
            await self._room.wait()
            self._room.clear()
            rows = await self._claim(SLOTS)
            claimed = len(rows)
            self._ready.extend(rows)
            self._work.set()

    async def deliver(self, session: aiohttp.ClientSession, target: str) -> None:
        while True:
            while not self._ready:
                self._work.clear()
                await self._work.wait()
            row_id, path, payload, epoch = self._ready.popleft()
            if len(self._ready) < SLOTS // 2:
                self._room.set()
            async with session.post(target + path, data=payload.encode(), headers=HEADERS) as response:
                self._done.append((row_id, epoch, await response.text()))
            self._outcomes.set()

    async def pass_on(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            self._done.extend((row_id, epoch, None) for row_id, _, _, epoch in self._ready)
            self._ready.clear()
            self._outcomes.set()
            if len(self._done) < AHEAD:
                self._room.set()

    async def settle(self, left: int = 0) -> int:
        """Settle until no more are left; return how many are."""
        while self._left > left:
            await self._outcomes.wait()
            self._outcomes.clear()
            batch = list(self._done)
            self._done.clear()
            if batch:
                await self._settle(batch)
                self._left -= len(batch)
                self._work.set()
        return self._left


async def fused(
    claim: Callable[[int], Awaitable[Sequence[Row]]],
    settle: Callable[[list[Outcome]], Awaitable[object]],
    target: str | None,
    jobs: int,
) -> Sample:
    """Every job in the table: group commit, ``SLOTS`` workers that POST; no ``target``: nothing is sent.

    Measured from when a quarter is done.
    """
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        mine = _Fused(claim, settle, jobs)
        work = [mine.pass_on()] if target is None else [mine.deliver(session, target) for _ in range(SLOTS)]
        tasks = [asyncio.create_task(coroutine) for coroutine in (*work, mine.claim())]
        left = await mine.settle(jobs - jobs // 4)
        with Stopwatch() as watch:
            await mine.settle()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return watch.sample(left)


async def deliver_by_hand(url: str, target: str, jobs: int) -> Sample:
    """On PostgreSQL: claims and settles on a connection each."""
    claims, settles = await asyncpg.connect(url), await asyncpg.connect(url)

    async def settle(batch: list[Outcome]) -> None:
        await settles.execute(SETTLE, *(list(column) for column in zip(*batch, strict=True)))

    try:
        return await fused(lambda count: claims.fetch(CLAIM, count), settle, target, jobs)
    finally:
        await claims.close()
        await settles.close()
