"""Follow the jobs that match a query: by the ids of what has changed, without reading the tables."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta

import attrs

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.find import changed_since, find, ids_of, states
from sp00ky_store_surreal.observe.signals import Changed, Signals
from sp00ky_store_surreal.rows import LISTED, WHOLE

_log = logging.getLogger(__name__)

AT_ONCE = 100
"""Rows that are read in one round trip."""

REMEMBERED = 10_000
"""Jobs whose last state is known, so that it isn't yielded twice."""

SAFETY = 10.0
"""Seconds between two looks for changes that LIVE didn't report, at least."""

SOONEST, LATEST = 0.05, 2.0
"""Seconds between two such looks where there is no LIVE, doubled while nothing is found."""

RETRY = 0.5
"""Seconds until the next look, or read of what has changed, after one that failed."""

SHARE = 20
"""A look, which reads the tables, is followed by none for so many times its duration."""

OVERLAP = timedelta(seconds=5)
"""How much later than their ``updated_at`` writes are reckoned to be committed."""


@attrs.frozen(kw_only=True)
class Watch:
    """Follows a query.

    Attributes:
        connection: The store's.
        tables: The tables of the query's backends.
        query: The conditions that jobs must meet.
        signals: Tells what has changed.
    """

    connection: Connection
    tables: Sequence[JobTable]
    query: JobQuery
    signals: Signals
    _seen: OrderedDict[str, tuple[object, ...]] = attrs.field(factory=OrderedDict, init=False)

    async def jobs(self, history: int | None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``.

        Raises ``StoreUnavailable`` at the beginning only: afterwards it waits for a database that is away.
        """
        # Who waits for one job mustn't wait for LIVE first: a look comes once it is there.
        async with self.signals.follow(at_once=self.query.ids is not None) as changed:
            try:
                async for job in self._all(changed, history):
                    if self._is_news(job):
                        yield job
            except StoreError:
                if not changed.is_closed:
                    raise

    async def _all(self, changed: Changed, history: int | None) -> AsyncGenerator[Job, None]:
        """Yield the present jobs, then those that have changed; some come twice in the same state."""
        now, present = await self._changes(None)
        async for job in self._history(history):
            yield job
        again = asyncio.create_task(self._look_again(changed, now, present))
        try:
            async for ids in changed.batches(AT_ONCE):
                for job in await self._read(ids, changed):
                    yield job
        finally:
            again.cancel()
            await asyncio.gather(again, return_exceptions=True)

    async def _history(self, history: int | None) -> AsyncGenerator[Job, None]:
        """Yield the jobs that match, or the latest of them, oldest first."""
        if history is not None:
            latest = attrs.evolve(self.query, after=None, limit=history)
            for job in reversed(await find(self.connection, self.tables, latest) if history else []):
                yield job
            return
        ids = list(await states(self.connection, self.tables, self.query))
        for first in range(0, len(ids), AT_ONCE):
            for job in reversed(await self._find(ids[first : first + AT_ONCE])):
                yield job

    async def _find(self, ids: Sequence[str]) -> list[Job]:
        """Return those of the jobs that match."""
        query = attrs.evolve(self.query, ids=tuple(ids), after=None, limit=len(ids))
        # by ids as `get` has them, for who waits for a job wants its result
        lengths = LISTED if self.query.ids is None else WHOLE
        return await find(self.connection, self.tables, query, lengths)

    async def _read(self, ids: Sequence[str], changed: Changed) -> list[Job]:
        """Return those of the changed jobs that match, in the order of their changes."""
        if self.query.ids is not None:
            named = {id_text(id_) for table in self.tables for id_ in ids_of(table, self.query.ids)}
            ids = [id_ for id_ in ids if id_ in named]
        place = {job_id: number for number, job_id in enumerate(ids)}
        try:
            jobs = sorted(await self._find(ids) if ids else (), key=lambda job: place[job.id])
        except StoreUnavailable as error:
            _log.debug("can't read what has changed: %s", error)
            await asyncio.sleep(RETRY)
            changed.add(ids)  # a look that has seen their change doesn't name them again
            return []
        if self.query.ids is not None and len(jobs) < len(ids):
            changed.add(None)  # it may have been the last one: the next look says so
        return jobs

    async def _changes(self, since: datetime | None) -> tuple[datetime | None, dict[str, str]]:
        """Read what differs when a job changes, by its id: of those named, or of what was written since.

        Returns:
            The clock of the database before, where it is needed, and what was found.
        """
        if self.query.ids is None:
            return await changed_since(self.connection, self.tables, since and since - OVERLAP)
        return None, await states(self.connection, self.tables, JobQuery(ids=self.query.ids))

    async def _look_again(self, changed: Changed, since: datetime | None, seen: dict[str, str]) -> None:
        """Look for what LIVE didn't report: after it was interrupted, where there is none, now and then.

        The watch ends when none of the jobs that it names is there any more.
        """
        pause, is_away, is_missed = SOONEST, False, self.query.ids is None
        while True:
            # LIVE doesn't report what was under way when it began, nor does a look see that at once.
            is_safe = self.signals.is_live and not is_missed
            is_missed = await changed.interrupted(SAFETY if is_safe else pause)
            began = time.monotonic()
            try:
                since, latest = await self._changes(since)
            except StoreError as error:
                level = logging.DEBUG if is_away else logging.WARNING
                _log.log(level, "can't see what changes, looking again until it works: %s", error)
                is_away = True
                changed.add(None)
                await asyncio.sleep(RETRY)
                continue
            if self.query.ids is not None and seen and not latest:
                changed.close()
                return
            new = [job_id for job_id, state in latest.items() if seen.get(job_id) != state]
            changed.add(new)
            seen, is_away = latest, False
            pause = SOONEST if new else min(pause * 2, LATEST)
            await asyncio.sleep((time.monotonic() - began) * SHARE)

    def _is_news(self, job: Job) -> bool:
        """Whether a job's state hasn't been yielded yet; it is now."""
        state = (job.updated_at, job.status, job.lease_epoch, job.run_at)
        known = self._seen.pop(job.id, None)
        self._seen[job.id] = state
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return known != state
