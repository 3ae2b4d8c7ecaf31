"""Watch jobs by asking for rows that changed, so that no write pays for those who watch.

Jobs named by their ids are asked for what moves when they change, for all watchers in one statement. A wider
query asks for what changed since an instant that trails behind every transaction still running.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import attrs

from sp00ky_core.errors import StoreClosed, StoreUnavailable
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.decisions import age_of, matches
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.subscription import Backoff, Broadcast
from sp00ky_store_kit.observe import find, load
from sp00ky_store_kit.rows import LISTED, load_rows, matching
from sp00ky_store_postgres.connection.statements import LONGEST_PAUSE, Executor
from sp00ky_store_postgres.kit_session import PostgresSession
from sp00ky_store_postgres.sql.loader import read_sql

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.05
SHORTEST_PAUSE = 0.01
"""Seconds between two questions of one watcher, however often this process writes."""
GATHERING = 0.002
"""Seconds in which watchers' questions are gathered into one."""
PAGE = 500
OVERLAP = timedelta(seconds=1)
"""Seconds by which a row's instant may be older than the number that its transaction has in a look."""
OLDEST = timedelta(seconds=60)
"""Seconds that the writes of a transaction may lie back that ran already when the watch began."""

MARKS = ("id", "updated_at", "lease_epoch", "status")  # a row's key, and its mark

Mark = tuple[datetime | None, int, str]


def mark_of(job: Job) -> Mark:
    """Return what moves when a job changes."""
    return job.updated_at, job.lease_epoch, job.status.value


@attrs.define
class Watch:
    """Follows jobs for one call.

    Attributes:
        executor: The store's connections.
        changed_here: Signals that this process has changed jobs.
        marks: Asks for those of named jobs.
        query: Which jobs are wanted; its ids are canonical.
        history: How many come first, of those that are there; None: all.
        seen: What the jobs looked like that may be read again.
        looked: A look has got through; from then on it is looked again while the database is away.
    """

    executor: Executor
    changed_here: Broadcast
    marks: Marks
    query: JobQuery
    history: int | None
    seen: dict[str, Mark] = attrs.field(factory=dict)
    looked: bool = False

    async def follow(self) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        try:
            async with aclosing(self._wide() if self.query.ids is None else self._named()) as changes:
                async for job in changes:
                    yield job
        except (StoreClosed, StoreUnavailable):
            if not self.changed_here.closed:  # else it is this store's own end
                raise

    async def _named(self) -> AsyncGenerator[Job, None]:
        """Follow the jobs of some ids."""
        while not self.changed_here.closed:
            marks = await self._look(partial(self.marks.of, self.query.ids or ()))
            if self.seen and not marks:
                return
            wanted = self._noted(sorted(await self._moved(marks, {}), key=age_of))
            if self.history is not None:
                wanted, self.history = wanted[max(len(wanted) - self.history, 0) :], None
            for job in wanted:
                yield job
            await self._pause()

    async def _wide(self) -> AsyncGenerator[Job, None]:
        """Follow jobs that meet conditions."""
        trail, took = Trail(), 0.0
        since = trail.follow(*await self._read(_snapshot))
        if self.history is not None:  # what is left out of it is no news as it is
            self.seen = await self._read(partial(self._changed, since=since))
        async for job in self._present():
            if (at := job.updated_at) is None or at >= since:  # what is older doesn't come again
                self.seen[job.id] = mark_of(job)
            yield job
        while not self.changed_here.closed:
            self.seen = {key: mark for key, mark in self.seen.items() if mark[0] is None or mark[0] >= since}
            await self._pause(took)
            started = time.monotonic()
            next_since = trail.follow(*await self._read(_snapshot))
            marks = await self._read(partial(self._changed, since=since))
            moved, since = await self._moved(marks, LISTED), next_since
            took = time.monotonic() - started
            for job in self._noted(moved):
                yield job

    def _noted(self, moved: Sequence[Job]) -> list[Job]:
        """Take note of what jobs look like; return those that are wanted."""
        self.seen |= {job.id: mark_of(job) for job in moved}
        return [job for job in moved if matches(job, self.query)]

    async def _moved(self, marks: Mapping[str, Mark], longest: Mapping[str, int]) -> list[Job]:
        """Return the jobs that aren't as they were seen, in the order of the marks."""
        ids = [job_id for job_id, mark in marks.items() if self.seen.get(job_id) != mark]
        work = partial(load, tables=self.executor.tables.by_name, ids=ids, longest=longest)
        return await self._read(work) if ids else []

    async def _pause(self, took: float = 0.0) -> None:
        """Wait for the next look, at least as long as the last one took."""
        await asyncio.sleep(max(SHORTEST_PAUSE, took))
        await self.changed_here.wait(max(POLL_SECONDS - SHORTEST_PAUSE - took, 0.0))

    async def _present(self) -> AsyncGenerator[Job, None]:
        query = attrs.evolve(self.query, limit=PAGE if self.history is None else self.history, after=None)
        page, last = partial(find, tables=self.executor.tables.all, query=query), None
        if self.history is not None:
            for job in reversed(await self._read(partial(page, after=None)) if self.history else []):
                yield job
            return
        while jobs := await self._read(partial(page, after=last, oldest_first=True)):
            for last in jobs:
                yield last

    async def _changed(self, session: PostgresSession, since: datetime) -> dict[str, Mark]:
        """Return the marks of what has changed since an instant, in the order of the changes."""
        marks: dict[str, Mark] = {}
        for table, where in matching(self.executor.tables.all, self.query):
            rows = await session.asked("changed", table, where, since)
            marks |= {id_of(table.table, row[0]): (row[1], row[2], row[3]) for row in rows}
        return marks

    async def _read(self, work: Callable[[PostgresSession], Awaitable[T]]) -> T:
        return await self._look(partial(self.executor.look, work))

    async def _look(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what is found, however long that takes.

        Raises:
            StoreUnavailable: nothing has been found yet, or the store is closed.
        """
        backoff, level = Backoff(limit=LONGEST_PAUSE), logging.WARNING
        while True:
            try:
                answer = await ask()
            except StoreUnavailable as error:
                if self.changed_here.closed or not self.looked:
                    raise
                logger.log(level, "watching goes on when the database is back: %s", error)
                level = logging.DEBUG  # once for each outage
                await backoff.wait()
            else:
                self.looked = True
                return answer


async def _snapshot(session: PostgresSession) -> tuple[datetime, dict[str, datetime | None]]:
    (row,) = await session.fetch(read_sql("snapshot"))
    return row["at"], dict(zip(row["numbers"], row["starts"], strict=True))


class Trail:
    """Holds an instant that trails behind the writes that can't be seen yet."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._running: dict[str, datetime] = {}  # by transaction: an instant before all of its writes

    def follow(self, at: datetime, running: Mapping[str, datetime | None]) -> datetime:
        """Return from when on to look for changes after a look at ``at``.

        Args:
            at: the database's clock.
            running: the transactions that run then, each with its start where that is known.
        """
        before = self._last or at - OLDEST
        starts = {number: max(start or before, before) for number, start in running.items()}
        self._running = {number: self._running.get(number, start) for number, start in starts.items()}
        self._last = at
        return min([at, *self._running.values()]) - OVERLAP


class Marks:
    """Asks for the marks of jobs, for all who want to know at the same time."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._wanted: set[str] = set()
        self._asking: asyncio.Task[dict[str, Mark]] | None = None

    async def of(self, job_ids: Iterable[str]) -> dict[str, Mark]:
        """Return the marks of those that exist."""
        job_ids = set(job_ids)
        self._wanted |= job_ids
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            # Those who asked may all have gone meanwhile.
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        marks = await asyncio.shield(self._asking)
        return {job_id: marks[job_id] for job_id in job_ids if job_id in marks}

    async def _ask(self) -> dict[str, Mark]:
        await asyncio.sleep(GATHERING)
        wanted, self._wanted, self._asking = self._wanted, set(), None
        tables = self._executor.tables.by_name
        found = await self._executor.look(partial(load_rows, tables=tables, job_ids=wanted, columns=MARKS))
        return {job_id: tuple(row.values())[1:] for job_id, (_, row) in found.items()}
