"""Jobs that have ended are deleted; a row that the database keeps holds up no other."""

import attrs
import pytest
from tests.store_kit.conftest import API, TABLES, SqliteSession, added

from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobFilter
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_store_kit.jobs.retention import Deleting
from sp00ky_store_kit.schema import job_table


async def ended(session: SqliteSession, count: int, status: str = "success") -> list[Job]:
    jobs = await added(session, count)
    for job in jobs:
        await session.execute("UPDATE job SET status = ? WHERE id = ?", (status, job.id.partition(":")[2]))
    return jobs


@pytest.mark.parametrize("most", [Quarantine.MOST, 1], ids=["all of them known", "one of them known"])
async def test_more_is_deleted_behind_what_the_database_keeps(
    session: SqliteSession, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(Quarantine, "MOST", most)
    jobs = await ended(session, 25)
    keys = ", ".join(f"'{job.id.partition(':')[2]}'" for job in (*jobs[:4], *jobs[-4:]))
    await session.refuse("DELETE", f"OLD.id IN ({keys})")
    deleting = Deleting(session=session, refused=Quarantine(), apart=True)
    old = attrs.evolve(API, keep_success=0.0)
    assert await deleting.by_age([old], 3) == 3
    assert await deleting.matching(TABLES, JobFilter(), 10) == 10
    assert await deleting.by_age([old], 3) == 3
    assert await deleting.matching(TABLES, JobFilter(), 10) == 1
    assert await deleting.by_age([old], 3) == 0
    assert await session.count(job_table("job")) == 8
