"""migrate, repair and check, on an empty database and on the documentation's table."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.store_surreal.settlements import settlement_of

from sp00ky_core.errors import SchemaError, StoreError
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.schema.introspection import read_layout

FAILURE = Undelivered(name="http_status", code=500, reason="boom")


async def is_older(store: SurrealStore) -> bool:
    """Whether it is an engine before 3.0."""
    return (await read_layout(store._connection, ["job"]))["job"].is_older


async def fields_of(store: SurrealStore, table: str = "job") -> dict[str, str]:
    (info,) = await store._connection.read(f"INFO FOR TABLE {table}")
    return dict(info["fields"])


async def test_an_empty_database_gets_everything_and_then_nothing(store: SurrealStore) -> None:
    planned = await store.migration()
    assert await store.migrate() == planned
    assert planned
    assert all(step.why and step.statement.startswith("DEFINE ") for step in planned)
    assert await store.migrate(repair=True) == []
    assert await store.check() == []


AS_0_2 = "string PERMISSIONS FOR create, select FULL FOR update WHERE false"
OURS_AS_0_2 = "option<string> PERMISSIONS FOR select FULL FOR create, update WHERE false"
TEXTS = {"path": AS_0_2, **dict.fromkeys(("dedup_key", "ordering_key", "traceparent"), OURS_AS_0_2)}


async def redefine(store: SurrealStore, definitions: dict[str, str]) -> None:
    await store._connection.write(
        "".join(f"DEFINE FIELD OVERWRITE {name} ON job TYPE {kind};" for name, kind in definitions.items())
    )


async def test_texts_that_are_as_0_2_made_them_are_bounded(migrated: SurrealStore) -> None:
    as_made_now = await fields_of(migrated)
    await redefine(migrated, TEXTS)
    long = "x" * 10_000_000
    create = "CREATE job:a SET path = $path, payload = '{}' RETURN NONE"
    await migrated._connection.write(create, path=long)
    steps = await migrated.migrate()
    assert len(steps) == len(TEXTS)
    assert await fields_of(migrated) == as_made_now
    assert await migrated.migrate(repair=True) == []
    with pytest.raises(StoreError, match=r"for field `?path"):
        await migrated._connection.write(create.replace("job:a", "job:b"), path=long)
    await migrated._connection.write("UPDATE job:a SET status = 'failed' RETURN NONE")  # what is there


@pytest.mark.parametrize(
    "path",
    [
        AS_0_2.replace("FULL", "WHERE true"),
        AS_0_2.replace(" PERMISSIONS", " ASSERT $value != '' PERMISSIONS"),
        f"{AS_0_2} COMMENT 'ours'",
        AS_0_2.replace("string", "any"),
    ],
)
async def test_what_a_user_has_defined_stays(migrated: SurrealStore, path: str) -> None:
    await redefine(migrated, {"path": path})
    theirs = (await fields_of(migrated))["path"]
    await migrated.migrate()
    assert (await fields_of(migrated))["path"] == theirs


async def test_check_says_that_a_users_path_is_boundless(migrated: SurrealStore) -> None:
    await redefine(migrated, {"path": f"{AS_0_2} COMMENT 'ours'"})
    (finding,) = await migrated.check()
    assert finding.subject == "job.path"
    assert "--repair" in finding.fix
    await migrated.migrate(repair=True)
    assert await migrated.check() == []


async def test_another_store_may_migrate_at_any_moment(
    store: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = store._connection.write, []

    async def watched(*statement: Any, **bindings: Any) -> list[Any]:
        reply = await write(*statement, **bindings)
        left.append(len(await store.migration()))
        return reply

    monkeypatch.setattr(store._connection, "write", watched)
    await store.migrate()
    assert left[-1] == 0


async def test_two_stores_migrate_at_once(make_store: Callable[..., SurrealStore], surreal_url: str) -> None:
    stores = [make_store(surreal_url) for _ in range(2)]
    for each in stores:
        await each.open()
    await asyncio.gather(*(each.migrate() for each in stores))
    assert await stores[0].migration() == []
    for each in stores:
        await each.close()


async def test_showing_a_migration_changes_nothing(store: SurrealStore) -> None:
    await store.migration()
    (info,) = await store._connection.read("INFO FOR DB")
    assert info["tables"] == {}


async def test_before_a_migration_calls_say_so(store: SurrealStore) -> None:
    for call in (store.claim({"api": 1}, "r"), store.add([NewJob(path="/a", backend="api")]), store.stats()):
        with pytest.raises(SchemaError, match="sp00ky migrate"):
            await call
    assert {finding.stops_jobs for finding in await store.check()} == {True}


async def test_the_documented_table_keeps_its_definitions(store: SurrealStore, spec_schema: str) -> None:
    await store._connection.write(spec_schema)
    before = await fields_of(store)
    steps = await store.migrate()
    after = await fields_of(store)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {
        "run_at",
        "result",
        "dedup_key",
        "dedup_live",
        "traceparent",
        "lease_epoch",
        "lease_until",
        "runner_id",
        "deferred_since",
        "delay",
        "priority",
        "ordering_key",
        "ordering_at",
        "ordering_live",
        "claim_group",
        "expires_at",
    }
    assert not [step for step in steps if "OVERWRITE" in step.statement]


async def test_clients_may_not_write_our_fields(migrated: SurrealStore) -> None:
    fields = await fields_of(migrated)
    for name in (
        "priority",
        "ordering_key",
        "ordering_at",
        "ordering_live",
        "claim_group",
        "expires_at",
        "result",
        "dedup_key",
        "dedup_live",
        "lease_epoch",
        "lease_until",
        "runner_id",
        "traceparent",
    ):
        assert "FOR create, update WHERE false" in fields[name], fields[name]
    for table in ("sp00ky_runner", "sp00ky_breaker", "sp00ky_migration"):
        (info,) = await migrated._connection.read("INFO FOR DB")
        assert info["tables"][table].endswith("PERMISSIONS NONE")


async def test_entries_that_cannot_be_held_are_left_out_and_warned_of_once(
    spec_store: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    await spec_store.add([NewJob(path="/a", backend="api", assigned_to="thread:a")])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            (job,) = await spec_store.claim({"api": 1}, "r")
            await spec_store.settle([settlement_of(job, FAILURE)])
    kept = await spec_store.get(job.id)
    assert (kept.status, kept.retries, kept.errors) == (JobStatus.PENDING, 2, ())
    assert [record.message.count("--repair") for record in caplog.records] == [1]


async def test_created_at_stays_and_updated_at_moves(migrated: SurrealStore) -> None:
    (added,) = await migrated.add([NewJob(path="/a", backend="api")])
    seen = [added.updated_at]
    for event in (FAILURE, Delivered(result={"ok": True})):
        (job,) = await migrated.claim({"api": 1}, "r")
        seen.append((await migrated.get(job.id)).updated_at)
        await migrated.settle([settlement_of(job, event)])
        seen.append((await migrated.get(job.id)).updated_at)
    kept = await migrated.get(added.id)
    assert kept.created_at == added.created_at
    assert seen == sorted(set(seen), key=str)
    assert len(set(seen)) == 5
    assert (kept.status, kept.result, kept.retries) == (JobStatus.SUCCESS, {"ok": True}, 1)


@pytest.mark.parametrize(
    "schema", ["DEFINE TABLE job SCHEMALESS", "DEFINE TABLE job; DEFINE FIELD title ON job TYPE string"]
)
async def test_a_table_that_is_no_job_table_is_refused_untouched(store: SurrealStore, schema: str) -> None:
    await store._connection.write(schema)
    before = await store._connection.read("INFO FOR DB; INFO FOR TABLE job")
    with pytest.raises(SchemaError, match="no job table"):
        await store.migrate()
    assert await store._connection.read("INFO FOR DB; INFO FOR TABLE job") == before
    assert [each.subject for each in await store.check() if "job table" in each.problem] == ["job"]


async def test_two_backends_have_a_table_each(make_store: Callable[..., SurrealStore]) -> None:
    tables = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail job"))
    store = make_store(tables=tables)
    await store.open()
    await store.migrate()
    one, two = await store.add([NewJob(path="/a", backend="api"), NewJob(path="/b", backend="mail")])
    assert (one.id.partition(":")[0], two.id.partition(":")[0]) == ("job", "mail job")
    assert {job.backend for job in await store.claim({"api": 5, "mail": 5}, "r")} == {"api", "mail"}
    assert (await store.get(two.id)).path == "/b"
    assert [job.id for job in await store.find(JobQuery(backend="mail"))] == [two.id]
    await store.close()


async def test_rows_from_before_the_migration_are_claimed(store: SurrealStore, spec_schema: str) -> None:
    await store._connection.write(spec_schema)
    await store._connection.write(
        "CREATE job:old SET assigned_to = thread:a, path = '/a', payload = '{\"b\":1}'"
    )
    await store.migrate()
    (job,) = await store.claim({"api": 1}, "r")
    assert (job.id, job.assigned_to, job.payload, job.lease_epoch) == ("job:old", "thread:a", {"b": 1}, 1)
    results = await store.settle([settlement_of(job, Delivered())])
    assert [each.fate for each in results] == ["settled"]


async def test_a_processing_row_without_a_lease_is_reclaimed(migrated: SurrealStore) -> None:
    await migrated._connection.write("CREATE job:old SET path = '/a', payload = '{}', status = 'processing'")
    (lost,) = await migrated.reclaim({})
    kept = await migrated.get("job:old")
    assert (lost.job_id, kept.status, kept.errors[0].name) == (
        "job:old",
        JobStatus.PENDING,
        "outcome_unknown",
    )


async def test_a_timeout_with_a_fraction_is_rounded_up_where_the_table_wants_whole_seconds(
    spec_store: SurrealStore,
) -> None:
    new_job = NewJob(path="/a", backend="api", assigned_to="thread:a", timeout=1.2)
    (job,) = await spec_store.add([new_job])
    assert job.timeout == 2


@pytest.mark.parametrize("url", ["mem://"])
async def test_rows_that_no_index_can_hold_are_named(store: SurrealStore, spec_schema: str) -> None:
    await store._connection.write(spec_schema)
    statement = "CREATE job:old SET assigned_to = thread:a, path = $path, payload = '{}' RETURN NONE"
    await store._connection.write(statement, path="/a\0b")
    if await is_older(store):  # indexes of 3.x hold NUL
        with pytest.raises(SchemaError, match="path holds NUL"):
            await store.migrate()
        await store._connection.write("DELETE job:old RETURN NONE")
    assert await store.migrate()
    assert [each for each in await store.check() if each.stops_jobs] == []


async def test_an_index_of_before_makes_way_for_the_one_that_claims_use(migrated: SurrealStore) -> None:
    await migrated._connection.write("DEFINE INDEX sp00ky_due ON TABLE job FIELDS status, run_at")
    (step,) = await migrated.migrate()
    assert step.statement == "REMOVE INDEX IF EXISTS sp00ky_due ON TABLE `job`;"
    assert await migrated.migration() == []
    assert len(await migrated.add([NewJob(path="/a", backend="api")])) == 1
    assert len(await migrated.claim({"api": 1}, "r")) == 1


@pytest.mark.parametrize(
    ("field", "definition"),
    [("result", "TYPE option<string>"), ("run_at", "TYPE option<datetime> DEFAULT time::now()")],
)
async def test_what_an_older_version_made_is_named_and_repaired(
    store: SurrealStore, field: str, definition: str
) -> None:
    await store.migrate()
    await store._connection.write(f"DEFINE FIELD OVERWRITE {field} ON job {definition}")
    assert await store.migrate() == []
    if field == "result" and await is_older(store):  # it strips objects
        assert await store.check() == []
        return
    (finding,) = await store.check()
    assert (finding.subject, finding.stops_jobs) == (f"job.{field}", False)
    (step,) = await store.migrate(repair=True)
    assert step.statement.startswith(f"DEFINE FIELD OVERWRITE {field} ON TABLE `job`")
    assert await store.check() == []
