"""New jobs are inserted all or none, each dedup key once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.core.stores.transactional.conftest import BY_BACKEND, BY_NAME, NOW, SqliteSession, added

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.stores.transactional.jobs.enqueue import add
from sp00ky_core.stores.transactional.observe.find import load
from sp00ky_core.stores.transactional.schema.definition import job_table

JOB = NewJob(path="/a", backend="api", max_retries=3, retry_strategy="linear")


async def test_they_come_in_order_and_wait(session: SqliteSession) -> None:
    jobs = await added(session, 2) + await added(session, backend="mail")
    assert [each.id.partition(":")[0] for each in jobs] == ["job", "job", "mail_job"]
    assert {each.status for each in jobs} == {JobStatus.PENDING}
    assert await session.count(job_table("job")) == 2


async def test_a_key_that_is_held_gives_the_job_that_holds_it(session: SqliteSession) -> None:
    (one,) = await added(session, dedup_key="k")
    (again,) = await added(session, dedup_key="k")
    (other,) = await added(session, dedup_key="k", backend="mail")
    assert again == one
    assert other.id != one.id
    await session.execute("UPDATE job SET status = 'success'")
    (free,) = await added(session, dedup_key="k")
    assert free.id != one.id


async def test_options_are_stored_and_a_batch_keeps_its_order(session: SqliteSession) -> None:
    expires_at = NOW + timedelta(days=1)
    jobs = await add(
        session,
        BY_BACKEND,
        [
            JOB,
            NewJob(path="/a", backend="api", priority=2, expires_at=expires_at),
            *[NewJob(path="/a", backend="api", ordering_key="k")] * 3,
        ],
    )
    found = await load(session, BY_NAME, [each.id for each in jobs])
    assert found == jobs
    assert [each.priority for each in found] == [0, 2, 0, 0, 0]
    assert [each.expires_at for each in found] == [None, expires_at, None, None, None]
    assert [each.ordering_at for each in found] == [None, None, NOW, NOW, NOW]
    assert sorted(found, key=lambda job: job.id) == found


async def test_a_refused_row_leaves_a_caller_s_transaction_as_it_was(session: SqliteSession) -> None:
    await session.refuse("INSERT", "NEW.path = '/bad'")
    await session.execute("BEGIN")
    bad = NewJob(path="/bad", backend="api", max_retries=3, retry_strategy="linear")
    with pytest.raises(RowRefused, match="not this one"):
        await add(session, BY_BACKEND, [JOB, bad], joined=True)
    await added(session)
    await session.execute("COMMIT")
    assert await session.count(job_table("job")) == 1
