"""migrate, repair and check, on an empty database and on the documentation's table."""

import pytest

from sp00ky_core.errors import SchemaError, StoreError
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.schema.table_definitions import read_layout


async def is_older(store: SurrealStore) -> bool:
    """Whether it is an engine before 3.0."""
    return (await read_layout(store._connection, ["job"]))["job"].is_older


async def fields_of(store: SurrealStore, table: str = "job") -> dict[str, str]:
    (info,) = await store._connection.read(f"INFO FOR TABLE {table}")
    return dict(info["fields"])


AS_0_2 = "string PERMISSIONS FOR create, select FULL FOR update WHERE false"


async def redefine(store: SurrealStore, definitions: dict[str, str]) -> None:
    await store._connection.write(
        "".join(f"DEFINE FIELD OVERWRITE {name} ON job TYPE {kind};" for name, kind in definitions.items())
    )


async def test_a_path_that_is_as_0_2_made_it_is_bounded_by_a_repair(migrated: SurrealStore) -> None:
    as_made_now = await fields_of(migrated)
    await redefine(migrated, {"path": AS_0_2})
    long = "x" * 10_000_000
    create = "CREATE job:a SET path = $path, payload = '{}' RETURN NONE"
    await migrated._connection.write(create, path=long)
    (step,) = await migrated.migrate(repair=True)
    assert "holds up all jobs" in step.why
    assert await fields_of(migrated) == as_made_now
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


async def test_the_documented_table_keeps_its_definitions(store: SurrealStore, spec_schema: str) -> None:
    await store._connection.write(spec_schema)
    before = await fields_of(store)
    steps = await store.migrate()
    after = await fields_of(store)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"max_retries"}, "with which clients could break a promise"
    assert set(after) - set(before) == {
        *("run_at", "result", "dedup_key", "dedup_live", "traceparent", "lease_epoch", "lease_until"),
        *("runner_id", "deferred_since", "delay", "priority", "ordering_key", "ordering_at"),
        *("ordering_live", "claim_group", "expires_at", "request_id", "redacted_at", "copied_from"),
        *("claimed_max_retries", "claimed_at"),
    }
    assert len([step for step in steps if "OVERWRITE" in step.statement]) == 1


async def test_clients_may_not_write_our_fields(migrated: SurrealStore) -> None:
    fields = await fields_of(migrated)
    for name in (
        *("priority", "ordering_key", "ordering_at", "ordering_live", "claim_group", "expires_at", "result"),
        *("dedup_key", "dedup_live", "lease_epoch", "lease_until", "runner_id", "traceparent"),
    ):
        assert "FOR create, update WHERE false" in fields[name], fields[name]
    for table in ("sp00ky_runner", "sp00ky_breaker", "sp00ky_migration"):
        (info,) = await migrated._connection.read("INFO FOR DB")
        assert info["tables"][table].endswith("PERMISSIONS NONE")


@pytest.mark.parametrize(
    "schema", ["DEFINE TABLE job SCHEMALESS", "DEFINE TABLE job; DEFINE FIELD title ON job TYPE string"]
)
async def test_a_table_that_is_no_job_table_is_refused_untouched(store: SurrealStore, schema: str) -> None:
    await store._connection.write(schema)
    before = await store._connection.read("INFO FOR DB; INFO FOR TABLE job")
    with pytest.raises(SchemaError, match="no job table"):
        await store.migrate()
    assert await store._connection.read("INFO FOR DB; INFO FOR TABLE job") == before
    assert [finding.subject for finding in await store.check() if "job table" in finding.problem] == ["job"]


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
