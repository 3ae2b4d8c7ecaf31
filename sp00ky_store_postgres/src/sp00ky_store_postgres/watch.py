"""Watch jobs by asking for rows that changed, so that no write pays for those who watch.

Jobs named by their ids are asked for what moves when they change, for all watchers in one statement. A wider
query asks for what changed since an instant that trails behind every transaction still running.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import attrs

from sp00ky_core.errors import StoreClosed, StoreUnavailable
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.filters import age_of, matches
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.subscription import Backoff, Broadcast
from sp00ky_core.stores.transactional import Is
from sp00ky_core.stores.transactional.observe import find, load
from sp00ky_core.stores.transactional.rows import LISTED, matching
from sp00ky_core.stores.transactional.schema import job_table
from sp00ky_store_postgres.connection.executor import LONGEST_PAUSE, Executor
from sp00ky_store_postgres.rows import keys_by_table, with_canonical_ids
from sp00ky_store_postgres.session import PostgresSession

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.05
SHORTEST_PAUSE = 0.01
"""Between two questions of one watcher, however often this process writes."""
GATHERING = 0.002
"""Seconds in which watchers' questions are gathered into one."""
PAGE = 500
OVERLAP = timedelta(seconds=1)
"""A row's instant is read a moment before its transaction gets the number that a look shows."""
OLDEST = timedelta(seconds=60)
"""How far back the writes of a transaction may lie that ran already when the watch began."""

MARKS = ("id", "updated_at", "lease_epoch", "status")

Mark = tuple[datetime | None, int, str]


def mark_of(job: Job) -> Mark:
    """Return what moves when a job changes."""
    return job.updated_at, job.lease_epoch, job.status.value


class Watches:
    """Yields jobs that change.

    Args:
        executor: The store's connections.
        changed: Signals that this process has changed jobs.
    """

    def __init__(self, executor: Executor, changed: Broadcast) -> None:
        self._executor = executor
        self._tables = executor.tables
        self._changed_here = changed
        self._marks = Marks(executor)

    async def watch(self, query: JobQuery, history: int | None) -> AsyncGenerator[Job, None]:
        """See ``Watch.watch``."""
        query = with_canonical_ids(query)
        changes = self._wide(query, history)
        if query.ids is not None:
            changes = self._named(query, query.ids, history)
        try:
            async for job in changes:
                yield job
        except (StoreClosed, StoreUnavailable):
            if not self._changed_here.closed:  # else it is this store's own end
                raise
        finally:
            await changes.aclose()

    async def _named(
        self, query: JobQuery, ids: tuple[str, ...], history: int | None
    ) -> AsyncGenerator[Job, None]:
        patience, seen = Patience(self._changed_here), dict[str, Mark]()
        while not self._changed_here.closed:
            marks = await patience.look(partial(self._marks.of, ids))
            if seen and not marks:
                return
            moved = sorted(await patience.look(partial(self._moved, marks, seen, {})), key=age_of)
            wanted = [job for job in moved if matches(job, query)]
            if history is not None:
                wanted, history = wanted[max(len(wanted) - history, 0) :], None
            seen |= {job.id: mark_of(job) for job in moved}
            for job in wanted:
                yield job
            await self._pause()

    async def _wide(self, query: JobQuery, history: int | None) -> AsyncGenerator[Job, None]:
        patience, trail, seen = Patience(self._changed_here), Trail(), dict[str, Mark]()
        since = trail.follow(*await patience.look(self._snapshot))
        if history is not None:  # what is left out of it is no news as it is
            seen = await patience.look(partial(self._changed, query, since))
        async for job in self._present(query, patience, history):
            mark = mark_of(job)
            if mark[0] is None or mark[0] >= since:  # what is older doesn't come again
                seen[job.id] = mark
            yield job
        took = 0.0
        while not self._changed_here.closed:
            await self._pause(took)
            started = time.monotonic()
            next_since = trail.follow(*await patience.look(self._snapshot))
            marks = await patience.look(partial(self._changed, query, since))
            moved = await patience.look(partial(self._moved, marks, seen, LISTED))
            took = time.monotonic() - started
            for job in moved:
                seen[job.id] = mark_of(job)
                if matches(job, query):
                    yield job
            since = next_since
            seen = {key: mark for key, mark in seen.items() if mark[0] is None or mark[0] >= since}

    async def _moved(
        self, marks: Mapping[str, Mark], seen: Mapping[str, Mark], longest: Mapping[str, int]
    ) -> list[Job]:
        """Return the jobs that aren't as they were seen, in the order of the marks."""
        ids = [job_id for job_id, mark in marks.items() if seen.get(job_id) != mark]
        if not ids:
            return []
        return await self._executor.look(partial(load, tables=self._tables.by_name, ids=ids, longest=longest))

    async def _pause(self, took: float = 0.0) -> None:
        """Wait for the next look, at least as long as the last one took."""
        await asyncio.sleep(max(SHORTEST_PAUSE, took))
        await self._changed_here.wait(max(POLL_SECONDS - SHORTEST_PAUSE - took, 0.0))

    async def _present(
        self, query: JobQuery, patience: Patience, history: int | None
    ) -> AsyncGenerator[Job, None]:
        if history is not None:
            latest = attrs.evolve(query, limit=history, after=None)
            for job in reversed(await patience.look(partial(self._page, latest)) if history else []):
                yield job
            return
        query, last = attrs.evolve(query, limit=PAGE, after=None), None
        while page := await patience.look(partial(self._page, query, after=last, oldest_first=True)):
            for job in page:
                yield job
            last = page[-1]

    async def _page(
        self, query: JobQuery, *, after: Job | None = None, oldest_first: bool = False
    ) -> list[Job]:
        page = partial(find, tables=self._tables.all, query=query, after=after)
        return await self._executor.look(partial(page, oldest_first=oldest_first))

    async def _changed(self, query: JobQuery, since: datetime) -> dict[str, Mark]:
        """Return the marks of what has changed since an instant, in the order of the changes."""

        async def look(session: PostgresSession) -> dict[str, Mark]:
            marks: dict[str, Mark] = {}
            for table, where in matching(self._tables.all, query):
                rows = await session.asked("changed", table, where, since)
                marks |= {id_of(table.table, row[0]): (row[1], row[2], row[3]) for row in rows}
            return marks

        return await self._executor.look(look)

    async def _snapshot(self) -> tuple[datetime, dict[str, datetime | None]]:
        (row,) = await self._executor.query("snapshot")
        return row["at"], dict(zip(row["numbers"], row["starts"], strict=True))


class Patience:
    """Looks again while the database is away, once a look has got through."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._looked = False

    async def look(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what is found, however long that takes.

        Raises:
            StoreUnavailable: nothing has been found yet, or the store is closed.
        """
        backoff, level = Backoff(limit=LONGEST_PAUSE), logging.WARNING
        while True:
            try:
                answer = await ask()
            except StoreUnavailable as error:
                if self._broadcast.closed or not self._looked:
                    raise
                logger.log(level, "watching goes on when the database is back: %s", error)
                level = logging.DEBUG  # once for each outage
                await backoff.wait()
            else:
                self._looked = True
                return answer


class Trail:
    """An instant that trails behind the writes that can't be seen yet."""

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
        starts = {transaction: max(start or before, before) for transaction, start in running.items()}
        self._running = {
            transaction: self._running.get(transaction, start) for transaction, start in starts.items()
        }
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
            self._asking.add_done_callback(_heard)  # those who asked may all have gone meanwhile
        marks = await asyncio.shield(self._asking)
        return {job_id: marks[job_id] for job_id in job_ids if job_id in marks}

    async def _ask(self) -> dict[str, Mark]:
        await asyncio.sleep(GATHERING)
        wanted, self._wanted, self._asking = self._wanted, set(), None
        return await self._executor.look(partial(self._read, ids=wanted))

    async def _read(self, session: PostgresSession, ids: Iterable[str]) -> dict[str, Mark]:
        marks: dict[str, Mark] = {}
        for name, keys in keys_by_table(ids).items():
            if name in self._executor.tables.by_name:
                for row in await session.select(job_table(name), [Is("id", "in", keys)], columns=MARKS):
                    job_id, *mark = row.values()
                    marks[id_of(name, job_id)] = tuple(mark)
        return marks


def _heard(task: asyncio.Task[dict[str, Mark]]) -> None:
    if not task.cancelled():
        task.exception()
