"""An application: enqueues in every way there is, and records what it was told about each."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import attrs

from chaos.database import Transactions
from chaos.history import COMMITTED, ROLLED_BACK, UNKNOWN, Enqueue
from chaos.project import BACKENDS
from sp00ky_core import NewJob, Outbox

__all__ = ["Enqueuer"]

MAX_RETRIES = (0, 0, 1, 3, 5, 8)
KEYED = 0.7
"""The share of the wild jobs that have a key, where there are keys."""

FILLING = 20
"""Jobs in a call that fills a queue."""

AT_ONCE = 8
"""Calls under way."""


@attrs.frozen
class Batch:
    """Jobs of one backend, and the record of each."""

    backend: str
    jobs: list[NewJob]
    records: list[Enqueue]
    tell: Callable[[Enqueue], None]

    def note(self, fate: str) -> None:
        """What is known of them now."""
        for record in self.records:
            now = time.time()
            record.at, record.done = (record.at, now) if fate == COMMITTED else (now, 0.0)
            record.fate = fate
            self.tell(record)


class Enqueuer:
    """Enqueues until told to stop, ``rate`` calls a second while the database answers."""

    def __init__(
        self,
        outbox: Outbox,
        transactions: Transactions | None,
        *,
        seed: int,
        rate: float,
        first: int = 1,
        note: Callable[[Enqueue], None] = lambda record: None,
        keys: int = 0,
    ) -> None:
        self._outbox = outbox
        self._transactions = transactions
        self._random = Random(f"enqueuer {seed}")  # noqa: S311  # repeatable, and no secret
        self._rate = rate
        self._note = note  # called with each record before and after each call
        self._keys = keys  # ordering keys of half of the wild jobs
        self._numbers = itertools.count(first)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._calls: set[asyncio.Task[None]] = set()
        self.enqueues: list[Enqueue] = []
        self.hanging: list[int] = []  # jobs that were made to fill slots

    async def run(self) -> None:
        """Enqueue until cancelled."""
        ways = [self._alone] if self._transactions is None else [self._alone, self._alone, self._joining]
        while True:
            await asyncio.sleep(self._random.expovariate(self._rate))
            await self._places.acquire()
            call = asyncio.create_task(self._attempt(self._random.choice(ways)))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def finish(self) -> None:
        """Let the calls end that are under way."""
        await asyncio.gather(*self._calls)

    async def hang(self, count: int) -> None:
        """Jobs whose first attempt hangs until its timeout."""
        batch = self._batch("wild", count, hang=True)
        self.hanging += [record.n for record in batch.records]
        with suppress(Exception):  # the record says what is known
            await self._add(batch)

    async def _attempt(self, way: Callable[[], Awaitable[None]]) -> None:
        try:
            with suppress(Exception):  # the database is broken all the time; the record says what is known
                await way()
        finally:
            self._places.release()

    async def _alone(self) -> None:
        await self._add(self._batch(self._random.choice(BACKENDS), self._random.choice((1, 1, 5))))

    async def _add(self, batch: Batch) -> None:
        batch.note(UNKNOWN)
        await self._outbox.run_many(batch.backend, batch.jobs)
        batch.note(COMMITTED)

    async def _joining(self) -> None:
        """In a transaction of its own, which it keeps open for a while, and then commits or not."""
        batch, commits = self._batch(self._random.choice(BACKENDS), 3), self._random.random() < 0.6
        if self._transactions is None:
            return
        async with self._transactions() as (connection, transaction):
            await self._outbox.run_many(batch.backend, batch.jobs, connection=connection)
            await asyncio.sleep(self._random.uniform(0, 0.3))
            if not commits:
                await transaction.rollback()
                return
            batch.note(UNKNOWN)
            await transaction.commit()
            batch.note(COMMITTED)

    async def fill(self, backend: str, count: int) -> None:
        """Enqueue many jobs, in calls of some each."""
        for _ in range(0, count, FILLING):
            await self._add(self._batch(backend, FILLING))

    def _batch(self, backend: str, count: int, *, hang: bool = False) -> Batch:
        first, *others = (next(self._numbers) for _ in range(count))
        now = time.time()
        records = [Enqueue(n=n, at=now, fate=ROLLED_BACK, batch=first, begun=now) for n in (first, *others)]
        self.enqueues += records
        is_keyed = self._keys and backend == "wild" and not hang and self._random.random() < KEYED
        key = f"k{self._random.randrange(self._keys)}" if is_keyed else None
        jobs = [
            NewJob(
                path=f"/{backend}",
                payload={"n": record.n, "hang": hang},
                ordering_key=key,
                max_retries=self._random.choice(MAX_RETRIES),
                retry_strategy=self._random.choice(("linear", "exponential")),
            )
            for record in records
        ]
        return Batch(backend, jobs, records, self._note)
