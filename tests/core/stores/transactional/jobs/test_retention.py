"""Jobs that have ended are deleted; a row that the database keeps holds up no other."""

from __future__ import annotations

import attrs
import pytest
from tests.core.stores.transactional.conftest import API, BY_NAME, TABLES, SqliteSession, added

from sp00ky_core.job import Job
from sp00ky_core.ports import JobFilter
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional.jobs.retention import Deleting
from sp00ky_core.stores.transactional.schema.definition import job_table


async def ended(session: SqliteSession, count: int, status: str = "success") -> list[Job]:
    jobs = await added(session, count)
    for each in jobs:
        await session.execute("UPDATE job SET status = ? WHERE id = ?", (status, each.id.partition(":")[2]))
    return jobs


@pytest.mark.parametrize("apart", [False, True])
async def test_by_age(session: SqliteSession, apart: bool) -> None:
    table = attrs.evolve(API, keep_success=3_600.0)
    await ended(session, 3)
    await ended(session, 1, "failed")
    await added(session)
    deleting = Deleting(Quarantine(), apart=apart)
    assert await deleting.by_age(session, [table], 9) == 0
    session.pass_time(hours=2)
    assert await deleting.by_age(session, [table], 2) == 2
    assert await deleting.by_age(session, [table], 9) == 1
    assert await session.count(job_table("job")) == 2


async def test_by_conditions_the_newest_first(session: SqliteSession) -> None:
    oldest, *_ = await ended(session, 3)
    await added(session)
    deleting = Deleting(Quarantine(), apart=False)
    assert await deleting.matching(session, TABLES, JobFilter(path="/b"), 9) == 0
    assert await deleting.matching(session, TABLES, JobFilter(), 2) == 2
    assert await session.count(job_table("job")) == 2
    assert await deleting.by_ids(session, BY_NAME, [oldest.id]) == {oldest.id: None}


async def test_what_the_database_keeps(session: SqliteSession) -> None:
    kept, free = await ended(session, 2)
    (waiting,) = await added(session)
    await session.refuse("DELETE", f"OLD.id = '{kept.id.partition(':')[2]}'")
    deleting = Deleting(refused := Quarantine(), apart=True)
    fates = await deleting.by_ids(session, BY_NAME, [kept.id, waiting.id])
    assert fates == {kept.id: "not this one"}
    assert await deleting.matching(session, TABLES, JobFilter(), 9) == 1
    assert set(refused.resting("deleted")) == {kept.id}
    assert await deleting.by_ids(session, BY_NAME, [free.id]) == {}


@pytest.mark.parametrize("most", [Quarantine.MOST, 1], ids=["all of them known", "one of them known"])
async def test_more_is_deleted_behind_what_the_database_keeps(
    session: SqliteSession, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(Quarantine, "MOST", most)
    jobs = await ended(session, 25)
    keys = ", ".join(f"'{each.id.partition(':')[2]}'" for each in (*jobs[:4], *jobs[-4:]))
    await session.refuse("DELETE", f"OLD.id IN ({keys})")
    deleting = Deleting(Quarantine(), apart=True)
    old = attrs.evolve(API, keep_success=0.0)
    assert await deleting.by_age(session, [old], 3) == 3
    assert await deleting.matching(session, TABLES, JobFilter(), 10) == 10
    assert await deleting.by_age(session, [old], 3) == 3
    assert await deleting.matching(session, TABLES, JobFilter(), 10) == 1
    assert await deleting.by_age(session, [old], 3) == 0
    assert await session.count(job_table("job")) == 8
