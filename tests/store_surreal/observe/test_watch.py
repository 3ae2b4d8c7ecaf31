"""Jobs are followed by their ids: changes come, and the end when none is left."""

from __future__ import annotations

import pytest

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.ports import JobQuery
from sp00ky_store_surreal import SurrealStore


async def test_changes_and_the_end(migrated: SurrealStore) -> None:
    one, two = await migrated.add([NewJob(path="/a", backend="api") for _ in range(2)])
    watch = migrated.watch(JobQuery(ids=(one.id, two.id)))
    assert {(await anext(watch)).id for _ in range(2)} == {one.id, two.id}
    await migrated.kill([one.id])
    changed = await anext(watch)
    assert (changed.id, changed.status) == (one.id, JobStatus.FAILED)
    await migrated.kill([two.id])
    assert (await anext(watch)).id == two.id
    await migrated.clear([one.id, two.id])
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_a_database_that_is_away_is_said_at_the_first_look_only(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = await migrated.add([NewJob(path="/a", backend="api")])
    watch = migrated.watch(JobQuery(ids=(job.id,)))
    await anext(watch)
    read, misses = migrated._connection.read, [StoreUnavailable(store="mem://", problem="away")] * 2

    async def away(*arguments: object, **bindings: object) -> object:
        if misses:
            raise misses.pop()
        return await read(*arguments, **bindings)  # type: ignore[arg-type]

    monkeypatch.setattr(migrated._connection, "read", away)
    statement = "LET $row = <record>$id; UPDATE $row SET status = 'processing'"
    await migrated._connection.write(statement, id=job.id)
    assert (await anext(watch)).id == job.id
    assert caplog.text.count("can't see what changes") == 1
    await watch.aclose()
