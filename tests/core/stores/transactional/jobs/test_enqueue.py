"""New jobs are inserted all or none, each dedup key once."""

import pytest
from tests.core.stores.transactional.conftest import BY_BACKEND, SqliteSession, added

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import NewJob
from sp00ky_core.stores.transactional.jobs.enqueue import add
from sp00ky_core.stores.transactional.schema import job_table

JOB = NewJob(path="/a", backend="api", max_retries=3, retry_strategy="linear")


async def test_a_refused_row_leaves_a_caller_s_transaction_as_it_was(session: SqliteSession) -> None:
    await session.refuse("INSERT", "NEW.path = '/bad'")
    await session.execute("BEGIN")
    bad = NewJob(path="/bad", backend="api", max_retries=3, retry_strategy="linear")
    with pytest.raises(RowRefused, match="not this one"):
        await add(session, BY_BACKEND, [JOB, bad], joined=True)
    await added(session)
    await session.execute("COMMIT")
    assert await session.count(job_table("job")) == 1
