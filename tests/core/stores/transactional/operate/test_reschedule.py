"""Pending jobs are changed, others and refused ones are left as they are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.core.stores.transactional.conftest import BY_NAME, NOW, SqliteSession, added, claimed

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import Job
from sp00ky_core.ports import Reschedule
from sp00ky_core.stores.transactional.observe.find import load
from sp00ky_core.stores.transactional.operate.reschedule import reschedule


async def changed(session: SqliteSession, job: Job, change: Reschedule) -> Job:
    assert await reschedule(session, BY_NAME, [job.id], change, apart=False) == {job.id: None}
    (after,) = await load(session, BY_NAME, [job.id])
    assert after.updated_at == session.at
    return after


async def test_what_is_changed(session: SqliteSession) -> None:
    (job,) = await added(session, priority=1)
    after = await changed(session, job, Reschedule(run_at=NOW + timedelta(days=9)))
    assert (after.run_at, after.priority) == (NOW + timedelta(days=9), 1)
    after = await changed(session, job, Reschedule(delay=60.0, priority=3))
    assert (after.run_at, after.priority) == (session.at + timedelta(seconds=60), 3)
    after = await changed(session, job, Reschedule(priority=0))
    assert (after.run_at, after.priority) == (session.at + timedelta(seconds=60), 0)


async def test_only_pending_jobs_are_changed(session: SqliteSession) -> None:
    jobs = await added(session, 2)
    await claimed(session, 1)
    ids = [*(job.id for job in jobs), "job:none", "fax:1"]
    assert await reschedule(session, BY_NAME, ids, Reschedule(delay=0.0), apart=False) == {jobs[1].id: None}


async def test_a_refused_row_costs_no_other(session: SqliteSession) -> None:
    bad, good = await added(session, 2)
    await session.refuse("UPDATE", f"OLD.id = '{bad.id.partition(':')[2]}'")
    ids, change = [bad.id, good.id], Reschedule(priority=2)
    with pytest.raises(RowRefused):
        await reschedule(session, BY_NAME, ids, change, apart=False)
    fates = await reschedule(session, BY_NAME, ids, change, apart=True)
    assert fates == {bad.id: "not this one", good.id: None}
