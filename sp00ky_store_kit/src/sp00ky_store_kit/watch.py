"""Signal that there may be work and that jobs have changed, here or elsewhere, and follow jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import attrs

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobQuery, JobTable, Pause
from sp00ky_core.stores.decisions import BEGINNING, age_of, matches
from sp00ky_core.stores.ids import chunks
from sp00ky_core.stores.subscription import Broadcast, Subscription
from sp00ky_store_kit.breakers_and_pauses import pauses_of, read_controls
from sp00ky_store_kit.connection.lanes import Executor
from sp00ky_store_kit.connection.session import Is, Session, Work
from sp00ky_store_kit.jobs.due import has_keys, next_without_key
from sp00ky_store_kit.observe import ids_by_age, load
from sp00ky_store_kit.rows import LISTED, JobRows, matching, select_jobs

__all__ = ["Notifications"]


@attrs.frozen(kw_only=True)
class Seen:
    """Holds the signs in the database that there may be work.

    Attributes:
        due: When the next job without a key is.
        keys: Jobs with a key wait, or are processing; to find out when the next can be claimed takes longer
            than a claim that gets nothing.
        pauses: By backend.
        now: The time.
    """

    due: datetime | None
    keys: bool
    pauses: Mapping[str, Pause]
    now: datetime

    def is_news(self, before: Seen | None) -> bool:
        """Whether something is due, or will be at another time, or a pause has begun or ended."""
        is_due = self.due is not None and (self.due <= self.now or before is None or self.due != before.due)
        return is_due or self.keys or (before is not None and self.pauses != before.pauses)


class Notifications:
    """Sends two signals of one process, to which other processes' changes are passed on while anyone listens.

    Args:
        changes: Yields once others may have written: ``TransactionalStore.changes``.
        executor: Reads what is due.
        tables: Of which jobs.
        heard: Called before new work is signalled.
    """

    def __init__(
        self,
        changes: Callable[[], AsyncGenerator[None, None]],
        executor: Executor,
        tables: Sequence[JobTable],
        heard: Callable[[], None],
    ) -> None:
        self._changes = changes
        self._executor = executor
        self._tables = tables
        self._heard = heard
        self._work, self._changed = Broadcast(), Broadcast()
        store = type(getattr(changes, "__self__", None)).__name__
        hearing = f"hearing of other processes' changes by {store}.changes()"
        self._subscription = Subscription(self._changed, self._listen, describe=_described, name=hearing)

    def open(self) -> None:
        """Take subscriptions, again if it was closed."""
        self._work.reopen()
        self._changed.reopen()

    async def close(self) -> None:
        """End every subscription."""
        self._work.close()
        self._changed.close()
        await self._subscription.stop()

    def send(self, *, work: bool = False) -> None:
        """Tell of a change in this process; ``work``: there may be something to claim."""
        self._changed.send()
        if work:
            self._send_work()

    def _send_work(self) -> None:
        self._heard()
        self._work.send()

    def work(self) -> AsyncGenerator[None, None]:
        """Subscribe to new work."""
        return self._subscription.subscribe(self._work, at_once=True)

    def changed(self) -> AsyncGenerator[None, None]:
        """Subscribe to changes."""
        return self._subscription.subscribe(at_once=True)

    async def _listen(self, subscribed: Callable[[], None]) -> None:
        """Pass changes on; that there may be work, only where it looks so."""
        seen = None
        async for _ in self._changes():
            self._changed.send()
            look = await self._executor.read(self._look)
            if seen is None:
                subscribed()  # not before: who only polls yields while the database is away, too
            if look.is_news(seen):
                self._send_work()
            seen = look
        await asyncio.Event().wait()  # there are no others

    async def _look(self, session: Session) -> Seen:
        now = await session.now()
        rows = [JobRows(session, table, now) for table in self._tables]
        return Seen(
            due=await next_without_key(rows),
            keys=any([await has_keys(stored) for stored in rows]),
            pauses=pauses_of(await read_controls(session, self._tables), now),
            now=now,
        )


def _described(error: Exception) -> str:
    return str(error) if isinstance(error, Sp00kyError) else f"{type(error).__name__}: {error}"


OVERLAP = timedelta(seconds=60)
"""So late may a change be committed after its ``updated_at``, in a transaction of a caller's, to be seen."""

Mark = tuple[Any, ...]


class Watch:
    """Follows jobs for one call of ``Store.watch``.

    Args:
        read: Does work in a transaction that reads.
        tables: All of the store's.
        query: Which jobs are wanted.
    """

    def __init__(
        self, read: Callable[[Work[Any]], Awaitable[Any]], tables: Sequence[JobTable], query: JobQuery
    ) -> None:
        self._read = read
        self._tables = {table.table: table for table in tables}
        self._query = query
        self._marks: dict[str, Mark] = {}  # of jobs seen lately: what they looked like
        self._since = BEGINNING
        self._seen = False

    async def follow(
        self, changes: AsyncGenerator[None, None], history: int | None
    ) -> AsyncGenerator[Job, None]:
        """Yield jobs until the changes end, or none of the ids is there any more."""
        try:
            await anext(changes, None)  # subscribed, before anything is read
            async for job in self._present(history):
                yield job
            while True:
                for job in await self._changed():
                    yield job
                if self._seen and self._query.ids is not None and not await self._load(self._query.ids):
                    return
                if await anext(changes, True):
                    return
        finally:
            await changes.aclose()

    async def _present(self, history: int | None) -> AsyncIterator[Job]:
        async def work(session: Session) -> tuple[list[str], list[Job]]:
            self._since = await session.now()
            ids = await ids_by_age(session, list(self._tables.values()), self._query, history)
            return ids, [] if history is None else await self._recent(session)

        ids, unasked = await self._read(work)
        for job in unasked:  # what was left out is no news, as it is
            if job.id not in ids:
                self._is_news(job)
        for some in chunks(ids):
            for job in await self._load(some):
                if matches(job, self._query) and self._is_news(job):
                    yield job

    async def _changed(self) -> list[Job]:
        jobs = await (self._read(self._recent) if self._query.ids is None else self._load(self._query.ids))
        jobs = [job for job in jobs if matches(job, self._query)]
        news = [job for job in sorted(jobs, key=age_of) if self._is_news(job)]
        self._since = max([self._since, *(job.updated_at for job in jobs if job.updated_at is not None)])
        self._forget()
        return news

    async def _recent(self, session: Session) -> list[Job]:
        """Read what has changed since a while before the last time: a range of an index for each status."""
        jobs: list[Job] = []
        for table, where in matching(self._tables.values(), self._query):
            for status in JobStatus:
                recent = [Is("status", "=", status), Is("updated_at", ">", self._since - OVERLAP)]
                jobs += await select_jobs(session, table, [*where, *recent], longest=LISTED)
        return jobs

    async def _load(self, ids: Sequence[str]) -> list[Job]:
        longest = LISTED if self._query.ids is None else {}
        jobs: list[Job] = await self._read(partial(load, tables=self._tables, ids=ids, longest=longest))
        return jobs

    def _is_news(self, job: Job) -> bool:
        mark = (job.status, job.lease_epoch, job.updated_at)
        news = self._marks.get(job.id) != mark
        self._marks[job.id] = mark
        self._seen = True
        return news

    def _forget(self) -> None:
        """Forget what is too old to be read again, but for jobs that are asked for by their ids."""
        if self._query.ids is None:
            oldest = self._since - OVERLAP
            self._marks = {
                job_id: mark for job_id, mark in self._marks.items() if (mark[2] or BEGINNING) > oldest
            }
