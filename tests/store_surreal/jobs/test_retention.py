"""Jobs are deleted once their retention is over; one that the database keeps holds up no other."""

from collections.abc import AsyncIterator, Callable

import pytest

from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal import SurrealStore

DAY = 86_400.0
TABLES = (JobTable(backend="api", table="job", keep_success=DAY, keep_failed=None),)


@pytest.fixture
async def keeping(make_store: Callable[..., SurrealStore], url: str) -> AsyncIterator[SurrealStore]:
    """A store that keeps what was delivered for a day, and what failed for ever."""
    store = make_store(url, TABLES)
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def ended(store: SurrealStore, count: int, path: str = "/a", status: str = "success") -> list[Job]:
    jobs = await store.add([NewJob(path=path, backend="api") for _ in range(count)])
    for job in jobs:
        for each in ("processing", status):
            statement = "LET $row = <record>$id; UPDATE $row SET status = $status"
            await store._connection.write(statement, id=job.id, status=each)
    return jobs


async def grow_old(store: SurrealStore) -> None:
    """Have every job ended two days ago, which the table's own clock wouldn't allow."""
    await store._connection.write(
        "DEFINE FIELD OVERWRITE updated_at ON job TYPE option<datetime>;"
        "UPDATE job SET updated_at = time::now() - 2d"
    )


async def test_a_row_that_the_database_keeps(keeping: SurrealStore, caplog: pytest.LogCaptureFixture) -> None:
    await ended(keeping, 2)
    await ended(keeping, 1, "/bad")
    await grow_old(keeping)
    await keeping._connection.write(
        "DEFINE EVENT hook ON TABLE job WHEN $event = 'DELETE' AND $before.path = '/bad' "
        "THEN { THROW 'not so' };"
    )
    assert await keeping.prune() == 2
    assert "can't be deleted" in caplog.text
