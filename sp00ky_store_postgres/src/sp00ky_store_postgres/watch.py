"""Live status: rows that changed, found by asking, so that no write pays for those who watch.

Jobs named by their ids are asked for what moves when they change, for all watchers in one statement. A wider
query asks for what changed since an instant that trails behind every transaction still running.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import attrs

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job import Job
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.selecting import age_of, matches
from sp00ky_store_postgres.connections import FIRST_PAUSE, Connections, Lane, pause
from sp00ky_store_postgres.mapping import keys_by_table, whole_jobs, with_canonical_ids
from sp00ky_store_postgres.pulse import Pulse
from sp00ky_store_postgres.reading import Reads
from sp00ky_store_postgres.selecting import select_changed, tables_of
from sp00ky_store_postgres.statements import fill, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Watches"]

logger = logging.getLogger(__name__)

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

Mark = tuple[datetime | None, int, str]


def mark_of(job: Job) -> Mark:
    """What moves when a job changes."""
    return job.updated_at, job.lease_epoch, job.status.value


class Watches:
    """Tells watchers of changes."""

    def __init__(self, connections: Connections, tables: Tables, reads: Reads, pulse: Pulse) -> None:
        self._connections = connections
        self._tables = tables
        self._reads = reads
        self._pulse = pulse
        self._marks = Marks(connections, tables)

    async def watch(self, query: JobQuery) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        query = with_canonical_ids(query)
        changes = self._named(query, query.ids) if query.ids is not None else self._wide(query)
        try:
            async for job in changes:
                yield job
        except StoreUnavailable:
            if not self._pulse.closed:  # else it is this store's own end
                raise
        finally:
            await changes.aclose()

    async def _named(self, query: JobQuery, ids: tuple[str, ...]) -> AsyncGenerator[Job, None]:
        patience, seen = Patience(self._pulse), dict[str, Mark]()
        while not self._pulse.closed:
            moved = await patience.look(partial(self._moved, ids, seen))
            if moved is None:
                return
            for job in moved:
                seen[job.id] = mark_of(job)
                if matches(job, query):
                    yield job
            await self._pause()

    async def _moved(self, ids: tuple[str, ...], seen: Mapping[str, Mark]) -> list[Job] | None:
        """Those that aren't as they were seen, the oldest first; None where there is none any more."""
        marks = await self._marks.of(ids)
        if seen and not marks:
            return None
        moved = [job_id for job_id, mark in marks.items() if seen.get(job_id) != mark]
        return sorted(await self._reads.load(moved) if moved else (), key=age_of)

    async def _wide(self, query: JobQuery) -> AsyncGenerator[Job, None]:
        patience, trail, seen = Patience(self._pulse), Trail(), dict[str, Mark]()
        since = trail.follow(*await patience.look(self._snapshot))
        async for job in self._present(query, patience):
            seen[job.id] = mark_of(job)
            yield job
        while not self._pulse.closed:
            await self._pause()
            next_since, changed = await patience.look(partial(self._changed, query, trail, since))
            for job in changed:
                if seen.get(job.id) != mark_of(job):
                    seen[job.id] = mark_of(job)
                    yield job
            since = next_since
            seen = {key: mark for key, mark in seen.items() if mark[0] is None or mark[0] >= since}

    async def _pause(self) -> None:
        await asyncio.sleep(SHORTEST_PAUSE)
        await self._pulse.wait(POLL_SECONDS - SHORTEST_PAUSE)

    async def _present(self, query: JobQuery, patience: Patience) -> AsyncGenerator[Job, None]:
        query, last = attrs.evolve(query, limit=PAGE, after=None), None
        while page := await patience.look(partial(self._reads.page, query, after=last, oldest_first=True)):
            for job in page:
                yield job
            last = page[-1]

    async def _changed(self, query: JobQuery, trail: Trail, since: datetime) -> tuple[datetime, list[Job]]:
        """From when on to look the next time, and what has changed since."""
        next_since, jobs = trail.follow(*await self._snapshot()), list[Job]()
        for table in tables_of(query, self._tables):
            chosen = select_changed(query, table, self._tables, since)
            rows = await self._connections.fetch(Lane.REST, chosen.statement, *chosen.arguments)
            jobs += whole_jobs(rows, table)
        return next_since, jobs

    async def _snapshot(self) -> tuple[datetime, list[str]]:
        (row,) = await self._connections.fetch(Lane.REST, read_sql("snapshot"))
        return row["at"], row["running"]


class Patience:
    """Looks again while the database is away, once a look has got through."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._looked = False

    async def look(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What is found, however long that takes.

        Raises:
            StoreUnavailable: nothing has been found yet, or the store is closed.
        """
        seconds, level = FIRST_PAUSE, logging.WARNING
        while True:
            try:
                found = await ask()
            except StoreUnavailable as error:
                if self._pulse.closed or not self._looked:
                    raise
                logger.log(level, "watching goes on when the database is back: %s", error)
                level = logging.DEBUG  # once for each outage
                seconds = await pause(seconds)
            else:
                self._looked = True
                return found


class Trail:
    """An instant that trails behind the writes that can't be seen yet."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._running: dict[str, datetime] = {}  # by transaction: an instant before all of its writes

    def follow(self, at: datetime, running: Iterable[str]) -> datetime:
        """From when on to look for changes after a look at ``at``, with these transactions running."""
        before = self._last or at - OLDEST
        self._running = {each: self._running.get(each, before) for each in running}
        self._last = at
        return min([at, *self._running.values()]) - OVERLAP


class Marks:
    """Asks for the marks of jobs, for all who want to know at the same time."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._tables = tables
        self._wanted: set[str] = set()
        self._asking: asyncio.Task[dict[str, Mark]] | None = None

    async def of(self, job_ids: Iterable[str]) -> dict[str, Mark]:
        """The marks of those that exist."""
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
        marks: dict[str, Mark] = {}
        for name, keys in keys_by_table(wanted).items():
            table = self._tables.by_name.get(name)
            if table is not None:
                statement = fill(read_sql("marks"), table=self._tables.name(table))
                rows: list[Any] = await self._connections.fetch(Lane.REST, statement, keys)
                marks |= {f"{name}:{row[0]}": (row[1], row[2], row[3]) for row in rows}
        return marks


def _heard(task: asyncio.Task[dict[str, Mark]]) -> None:
    if not task.cancelled():
        task.exception()
