"""A runner's claims that it doesn't hold are given back, and cost nothing."""

from __future__ import annotations

from tests.core.stores.transactional.conftest import BY_NAME, TABLES, SqliteSession, added, claimed

from sp00ky_core.job import JobStatus
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional.jobs.release import release
from sp00ky_core.stores.transactional.observe.find import load


async def test_all_but_those_kept_and_those_of_others(session: SqliteSession) -> None:
    await added(session, 3)
    kept, given_back = await claimed(session, 2, "a")
    (other,) = await claimed(session, 1, "b")
    assert await release(session, TABLES, "a", [kept.id], Quarantine(), apart=False) == [given_back.id]
    jobs = await load(session, BY_NAME, [kept.id, given_back.id, other.id])
    assert [each.status for each in jobs] == [JobStatus.PROCESSING, JobStatus.PENDING, JobStatus.PROCESSING]
    assert (jobs[1].retries, jobs[1].runner_id, jobs[1].lease_until) == (0, None, None)


async def test_a_lease_that_is_over_is_for_those_who_reclaim(session: SqliteSession) -> None:
    await added(session)
    await claimed(session)
    session.pass_time(hours=1)
    assert await release(session, TABLES, "r", [], Quarantine(), apart=False) == []
