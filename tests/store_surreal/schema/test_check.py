"""What check says of a table's permissions and fields."""

import pytest

from sp00ky_store_surreal import SurrealStore

RELIED_ON = ("path", "payload", "status", "retries", "errors")

TYPES = {
    "path": "string ASSERT $value != ''",
    "payload": "option<string>",
    "retries": "int DEFAULT 0",
    "errors": "array<object> DEFAULT []",
}


async def test_check_names_each_weakness_of_the_documented_table(spec_store: SurrealStore) -> None:
    findings = await spec_store.check()
    weak = {"job.errors", "job.created_at", "job.assigned_to", "job.path"}
    # 2.3 empties an object in a payload of any type; 3.x gives record users no index for WHERE true.
    assert {finding.subject for finding in findings} == weak | ({"job"})
    assert not [finding for finding in findings if finding.stops_jobs]
    assert all("--repair" in finding.fix and finding.consequence for finding in findings)


OPEN = {
    "as created": ("", "", set()),
    "a field": ("status", "", {"job.status"}),
    "fields": ("path payload status retries errors", "", {f"job.{name}" for name in RELIED_ON}),
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
    for field in fields.split():
        kind = TYPES.get(field, "string")
        clause = f"PERMISSIONS {permissions}" if permissions else ""
        await migrated._connection.write(f"DEFINE FIELD OVERWRITE {field} ON job TYPE {kind} {clause}")
    if closed:
        await migrated._connection.write("DEFINE TABLE OVERWRITE job SCHEMAFULL PERMISSIONS NONE")
    findings = await migrated.check()
    assert {finding.subject for finding in findings} == (set() if closed else named)
    assert {finding.problem for finding in findings} <= {"clients may change it"}
    assert all(finding.breaks_promise and "PERMISSIONS" in finding.fix for finding in findings)
    assert not [finding for finding in findings if finding.stops_jobs]
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
