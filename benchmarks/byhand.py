"""What one would write oneself, and no more: no retries, no leases, no contract, no word about failures."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.measure import Sample, Stopwatch
from benchmarks.project import SLOTS

__all__ = ["deliver_by_hand"]

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


class _ByHand:
    def __init__(self, target: str, jobs: int) -> None:
        self._target = target
        self._left = jobs
        self._ready: deque[Any] = deque()
        self._done: deque[tuple[Any, int, str]] = deque()
        self._room, self._work, self._outcomes = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()

    async def claim(self, connection: Any) -> None:
        claimed = SLOTS
        while claimed == SLOTS:
            await self._room.wait()
            self._room.clear()
            rows = await connection.fetch(CLAIM, SLOTS)
            claimed = len(rows)
            self._ready.extend(rows)
            self._work.set()

    async def deliver(self, session: aiohttp.ClientSession) -> None:
        while True:
            while not self._ready:
                self._work.clear()
                await self._work.wait()
            row = self._ready.popleft()
            if len(self._ready) < SLOTS // 2:
                self._room.set()
            url = self._target + row["path"]
            async with session.post(url, data=row["payload"].encode(), headers=HEADERS) as response:
                self._done.append((row["id"], row["lease_epoch"], await response.text()))
            self._outcomes.set()

    async def settle(self, connection: Any) -> None:
        while self._left:
            await self._outcomes.wait()
            self._outcomes.clear()
            batch = list(self._done)
            self._done.clear()
            if batch:
                await connection.execute(SETTLE, *(list(column) for column in zip(*batch, strict=True)))
                self._left -= len(batch)


async def deliver_by_hand(url: str, target: str, jobs: int) -> Sample:
    """Claims and settles on two connections, group commit, ``SLOTS`` workers; every job in the table."""
    claims, settles = await asyncpg.connect(url), await asyncpg.connect(url)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        with Stopwatch() as watch:
            mine = _ByHand(target, jobs)
            tasks = [asyncio.create_task(mine.deliver(session)) for _ in range(SLOTS)]
            tasks.append(asyncio.create_task(mine.claim(claims)))
            await mine.settle(settles)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    await claims.close()
    await settles.close()
    return watch.sample(jobs)
