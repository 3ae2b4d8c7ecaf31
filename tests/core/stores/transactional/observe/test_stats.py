"""A queue in numbers."""

from __future__ import annotations

from datetime import timedelta

from tests.core.stores.transactional.conftest import TABLES, SqliteSession, added, claimed

from sp00ky_core.stores.transactional.observe.stats import stats


async def test_jobs_of_every_priority_and_key_are_counted(session: SqliteSession) -> None:
    await added(session, 2, priority=3)
    await added(session, ordering_key="k")
    session.pass_time(hours=1)
    await added(session, priority=1)
    await added(session, 2, ordering_key="k")
    await added(session, priority=2, ordering_key="k", delay=timedelta(hours=1))
    found = (await stats(session, TABLES))["api"]
    assert (found.pending, found.due, found.oldest_due_s) == (7, 6, 3_607.0)
    await session.execute("UPDATE job SET run_at = NULL WHERE ordering_key = 'k'")
    await session.execute("UPDATE job SET priority = NULL WHERE priority = 1")
    await claimed(session, 3)
    found = (await stats(session, TABLES))["api"]
    assert (found.pending, found.due, found.oldest_due_s) == (4, 4, 4.0)
