"""A queue in numbers."""

from __future__ import annotations

from datetime import timedelta

from tests.core.stores.transactional.conftest import API, TABLES, SqliteSession, added, claimed

from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.ports import BackendStats, Pause
from sp00ky_core.stores.transactional.fleet.breaker import change_breaker
from sp00ky_core.stores.transactional.observe.stats import stats
from sp00ky_core.stores.transactional.operate.pause import pause


async def test_an_empty_queue(session: SqliteSession) -> None:
    assert await stats(session, TABLES) == {"api": BackendStats(), "mail": BackendStats()}


async def test_numbers(session: SqliteSession) -> None:
    await added(session, 4)
    await claimed(session, 1)
    await added(session, delay=timedelta(hours=9))
    await session.execute("UPDATE job SET status = 'failed' WHERE rowid = 2")
    await session.execute("UPDATE job SET run_at = NULL, deferred_since = created_at WHERE rowid = 3")
    session.pass_time(hours=1)
    change = BreakerChange(backend="api", before=Breaker(), to=BreakerState.OPEN, failures=3, pause=5)
    await change_breaker(session, API, change)
    found = (await stats(session, TABLES))["api"]
    assert (found.pending, found.processing, found.success, found.failed) == (3, 1, 0, 1)
    assert (found.due, found.stalled, found.deferred) == (2, 1, 1)
    assert (found.oldest_due_s, found.oldest_deferred_s) == (3_603.0, 3_603.0)
    assert (found.breaker.state, found.breaker.paused_for_s) == ("open", 5.0)


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


async def test_a_pause_is_in_the_numbers(session: SqliteSession) -> None:
    await pause(session, "api", seconds=60, reason="down", actor="ann")
    since = session.at
    expected = Pause(until=since + timedelta(seconds=60), since=since, reason="down", actor="ann")
    found = await stats(session, TABLES)
    assert (found["api"].paused, found["mail"].paused) == (expected, None)
    session.pass_time(seconds=60)
    assert (await stats(session, TABLES))["api"].paused is None
