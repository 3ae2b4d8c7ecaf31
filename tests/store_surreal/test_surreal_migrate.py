"""migrate, repair and check, on an empty database and on the documentation's table."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from sp00ky_core.errors import SchemaError
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.machine import decide
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import JobQuery, JobTable, Settlement
from sp00ky_core.retry import RetryPolicy
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.layout import read_layout

RELIED_ON = ("path", "payload", "status", "retries", "errors")
TYPES = {"payload": "option<string>", "retries": "int DEFAULT 0", "errors": "array<object> DEFAULT []"}
FAILURE = Undelivered(name="http_status", code=500, reason="boom")


def settlement_of(job, event):  # type: ignore[no-untyped-def]  # a test's shorthand
    transition = decide(job, event, RetryPolicy(base=0))
    return Settlement(job_id=job.id, backend="api", epoch=job.lease_epoch, transition=transition)


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
    }
    assert not [step for step in steps if "OVERWRITE" in step.statement]


async def test_clients_may_not_write_our_fields(migrated: SurrealStore) -> None:
    fields = await fields_of(migrated)
    for name in (
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


async def test_check_names_each_weakness_of_the_documented_table(spec_store: SurrealStore) -> None:
    findings = await spec_store.check()
    weak = {"job.errors", "job.created_at", "job.assigned_to"}
    # 2.3 empties an object in a payload of any type; 3.x gives record users no index for WHERE true.
    assert {each.subject for each in findings} == weak | (
        {"job.payload"} if await is_older(spec_store) else {"job"}
    )
    assert not [each for each in findings if each.stops_jobs]
    assert all("--repair" in each.mend and each.consequence for each in findings)


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
    if not await is_older(store):
        pytest.skip("the embedded engine is 3.x, whose indexes hold NUL")
    await store._connection.write(spec_schema)
    statement = "CREATE job:old SET assigned_to = thread:a, path = $path, payload = '{}' RETURN NONE"
    await store._connection.write(statement, path="/a\0b")
    with pytest.raises(SchemaError, match="path holds NUL"):
        await store.migrate()
    await store._connection.write("DELETE job:old RETURN NONE")
    assert await store.migrate()
    assert [each for each in await store.check() if each.stops_jobs] == []


OPEN = {
    "as created": ("", "", set()),
    "a field": ("status", "", {"job.status"}),
    "fields": ("path payload status retries errors", "", {f"job.{each}" for each in RELIED_ON}),
    "what may be created": ("status", "FOR create, select FULL FOR update WHERE false", set()),
    "a field of nobody's": ("status", "NONE", set()),
    "what some may change": ("retries", "FOR update WHERE $auth.admin", {"job.retries"}),
}
"""Fields that are defined anew, with which permissions; what check says of it."""


@pytest.mark.parametrize(("fields", "permissions", "named"), OPEN.values(), ids=OPEN)
@pytest.mark.parametrize("closed", [False, True], ids=["table of users", "table of nobody's"])
async def test_check_names_what_clients_may_change(
    migrated: SurrealStore, fields: str, permissions: str, named: set[str], closed: bool
) -> None:
    for each in fields.split():
        kind = TYPES.get(each, "string")
        clause = f"PERMISSIONS {permissions}" if permissions else ""
        await migrated._connection.write(f"DEFINE FIELD OVERWRITE {each} ON job TYPE {kind} {clause}")
    if closed:
        await migrated._connection.write("DEFINE TABLE OVERWRITE job SCHEMAFULL PERMISSIONS NONE")
    findings = await migrated.check()
    assert {each.subject for each in findings} == (set() if closed else named)
    assert {each.problem for each in findings} <= {"clients may change it"}
    assert not [each for each in findings if each.stops_jobs or "PERMISSIONS" not in each.mend]
    assert await migrated.migration(repair=True) == []  # permissions stay as they are


@pytest.mark.parametrize(
    ("permissions", "open_for"),
    [
        ("FULL", "select, create, update, delete"),
        ("FOR select WHERE true FOR create, update, delete WHERE assigned_to.author.id = $auth.id", "select"),
        ("FOR select, update WHERE assigned_to.author.id = $auth.id FOR delete FULL", "delete"),
    ],
)
async def test_check_names_a_table_that_is_open(
    migrated: SurrealStore, permissions: str, open_for: str
) -> None:
    comment = "COMMENT 'PERMISSIONS FULL is wrong'"
    await migrated._connection.write(
        f"DEFINE TABLE OVERWRITE job SCHEMAFULL {comment} PERMISSIONS {permissions}"
    )
    (finding,) = await migrated.check()
    assert (finding.stops_jobs, finding.subject) == (False, "job")
    assert finding.problem == f"any client may {open_for}"
    assert "everybody's jobs" in finding.consequence
