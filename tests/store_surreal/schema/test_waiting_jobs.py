"""What ``check`` says of jobs that wait in vain."""

from typing import Any

import attrs

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_surreal import SurrealStore


async def said(store: SurrealStore) -> dict[str, str]:
    """The findings' problems by their subjects."""
    found: list[Finding] = await store.check()
    assert not any(finding.stops_jobs for finding in found)
    return {finding.subject: finding.problem for finding in found}


async def test_due_jobs_and_no_runner(migrated: SurrealStore) -> None:
    assert await said(migrated) == {}
    await migrated.add([NewJob(path="/a", backend="api")])
    assert await said(migrated) == {"job": "jobs are due, and no runner has beaten for 10 s"}
    await migrated.beat("r")
    assert await said(migrated) == {}


async def test_jobs_deferred_for_over_an_hour(migrated: SurrealStore) -> None:
    await migrated.beat("r")
    jobs = await migrated.add([NewJob(path="/a", backend="api") for _ in range(3)])
    statement = (
        "LET $row = <record>$id; UPDATE $row SET deferred_since = time::now() - <duration>$ago RETURN NONE"
    )
    for job, ago in zip(jobs, ("59m", "61m", "3h"), strict=True):
        await migrated._connection.write(statement, id=job.id, ago=ago)
    assert await said(migrated) == {"job": "2 jobs have been deferred for over an hour"}
    await migrated._connection.write(statement, id=jobs[1].id, ago="1m")
    assert await said(migrated) == {"job": "1 job has been deferred for over an hour"}


async def test_a_table_that_no_backend_names_any_more(url: str, make_migrated: Any) -> None:
    both = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail_job"))
    store = await make_migrated(url, both)
    await store.add([NewJob(path="/a", backend="mail")])
    store.options = attrs.evolve(store.options, tables=both[:1])
    assert await said(store) == {"mail_job": "no backend names it in method.table; jobs waiting in it: 1"}
    await store._connection.write("REMOVE TABLE mail_job")
    assert await said(store) == {}


async def test_a_table_that_awaits_a_migration_is_no_table_without_a_backend(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api")])
    await migrated._connection.write("REMOVE FIELD claimed_at ON job")
    (finding,) = await migrated.check()
    assert finding.problem == "it lacks claimed_at"
    assert finding.awaits_migration
