"""A watch yields what is there, then each job again when it has changed."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.core.stores.transactional.conftest import TABLES, SqliteSession, added, claimed

from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.broadcast import Broadcast
from sp00ky_core.stores.transactional.observe.watch import Watch


class Watched:
    """A watch on one session, whose signal a test sends."""

    def __init__(self, session: SqliteSession, query: JobQuery, history: int | None = None) -> None:
        async def read(work: Any) -> Any:
            return await work(session)

        self.changes = Broadcast()
        watch = Watch(read, TABLES, query)
        self.jobs: AsyncGenerator[Job, None] = watch.follow(self.changes.subscribe(), history)

    async def next(self, count: int) -> list[str]:
        return [(await anext(self.jobs)).id for _ in range(count)]


async def test_changes_follow_what_is_there(session: SqliteSession) -> None:
    one, two = await added(session, 2)
    watched = Watched(session, JobQuery())
    assert await watched.next(2) == [one.id, two.id]
    await claimed(session)
    watched.changes.send()
    changed = await anext(watched.jobs)
    assert (changed.id, changed.status) == (one.id, JobStatus.PROCESSING)
    (three,) = await added(session)
    watched.changes.send()
    assert await watched.next(1) == [three.id]
    await watched.jobs.aclose()


async def test_history_is_the_latest(session: SqliteSession) -> None:
    jobs = await added(session, 3)
    watched = Watched(session, JobQuery(), history=1)
    assert await watched.next(1) == [jobs[2].id]
    (new,) = await added(session)
    watched.changes.send()
    assert await watched.next(1) == [new.id]
    await watched.jobs.aclose()


async def test_it_ends_with_its_jobs_or_its_signal(session: SqliteSession) -> None:
    (job,) = await added(session)
    by_id, by_path = Watched(session, JobQuery(ids=(job.id,))), Watched(session, JobQuery(path="/a"))
    assert await by_id.next(1) == await by_path.next(1) == [job.id]
    await session.execute("DELETE FROM job")
    by_id.changes.send()
    by_path.changes.close()
    for each in (by_id, by_path):
        with pytest.raises(StopAsyncIteration):
            await anext(each.jobs)


async def test_a_row_that_says_not_when_it_was_changed_is_watched_by_its_id(session: SqliteSession) -> None:
    (job,) = await added(session)
    await session.execute("UPDATE job SET updated_at = NULL")
    watched = Watched(session, JobQuery(ids=(job.id,)))
    assert await watched.next(1) == [job.id]
    await session.execute("UPDATE job SET lease_epoch = 1")
    watched.changes.send()
    assert await watched.next(1) == [job.id]
    await watched.jobs.aclose()
