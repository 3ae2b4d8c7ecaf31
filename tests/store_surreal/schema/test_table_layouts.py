"""Tables that go away, and come again."""

from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import SchemaError
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.schema import table_layouts


async def test_a_table_that_goes_away_stops_no_other_backend(
    surreal_url: str, caplog: pytest.LogCaptureFixture, make_migrated: Any
) -> None:
    tables = [JobTable(backend=backend, table=backend, keep_success=0.0) for backend in ("api", "mail")]
    store = await make_migrated(surreal_url, tuple(tables))
    await store.add([NewJob(path="/a", backend=table.backend) for table in tables])
    held = await store.claim({"api": 5, "mail": 5}, "r")
    await store._connection.write("REMOVE TABLE mail")
    await store.add([NewJob(path="/b", backend="api")])
    assert await store.release("r", keep=[job.id for job in held]) == []  # it is what a runner does then
    assert [job.path for job in await store.claim({"api": 5, "mail": 5}, "r")] == ["/b"]
    fates = await store.settle([settlement(job, Delivered()) for job in held])
    assert {job.backend: result.fate.value for job, result in zip(held, fates, strict=True)} == {
        "api": "settled",
        "mail": "lease_lost",
    }
    assert await store.next_due(["api", "mail"]) is None
    assert await store.reclaim({}) == []
    assert await store.prune() == 1
    assert [record.message for record in caplog.records if "table 'mail' is gone" in record.message] != []
    with pytest.raises(SchemaError, match="'mail' does not exist; run: sp00ky migrate"):
        await store.claim({"mail": 5}, "r")
    await store.migrate()
    await store.add([NewJob(path="/c", backend="mail")])
    assert [job.path for job in await store.claim({"api": 5, "mail": 5}, "r")] == ["/c"]


async def test_a_table_that_another_process_migrated_again_is_served(
    surreal_url: str, make_migrated: Any
) -> None:
    store, other = await make_migrated(surreal_url), await make_migrated(surreal_url)
    assert await store.claim({"api": 5}, "r") == []
    await other._connection.write("REMOVE TABLE job")
    for _ in range(2):
        with pytest.raises(SchemaError, match="'job' does not exist; run: sp00ky migrate"):
            await store.claim({"api": 5}, "r")
    await other.migrate()
    await other.add([NewJob(path="/a", backend="api")])
    assert [job.path for job in await store.claim({"api": 5}, "r")] == ["/a"]


async def test_what_another_process_repaired_is_noticed_without_a_restart(
    spec_store: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_layouts, "REFRESH", 0.0)
    (job,) = await spec_store.add([NewJob(path="/a", backend="api", assigned_to="thread:a", max_retries=9)])
    failure = Undelivered(name="http_status", code=500, reason="boom")

    async def kept() -> int:
        (claimed,) = await spec_store.claim({"api": 1}, "r")
        await spec_store.settle([settlement(claimed, failure)])
        return len((await spec_store.get(job.id)).errors)

    assert await kept() == 0
    await spec_store._connection.write("DEFINE FIELD OVERWRITE errors.* ON TABLE job TYPE object FLEXIBLE")
    await spec_store.overdue(["r"])  # as a runner asks again and again
    assert await kept() == 1


async def test_a_table_that_is_gone_costs_calls_for_others_nothing(
    surreal_url: str, make_migrated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tuple(JobTable(backend=backend, table=backend) for backend in ("api", "mail"))
    store = await make_migrated(surreal_url, tables)
    await store.add([NewJob(path="/a", backend=table.backend) for table in tables])
    held = await store.claim({"api": 1, "mail": 1}, "r")
    await store._connection.write("REMOVE TABLE mail")
    await store.release("r", keep=[job.id for job in held])
    assert store._layouts._gone
    monkeypatch.setattr(
        "sp00ky_store_surreal.schema.table_layouts.read_layout", None
    )  # whoever calls it fails
    await store.next_due(["api"])
