"""migrate --repair: a fixed definition for each weak field, and the permissions that it had."""

import pytest

from sp00ky_store_surreal import SurrealStore


async def fields_of(store: SurrealStore, table: str = "job") -> dict[str, str]:
    (info,) = await store._connection.read(f"INFO FOR TABLE {table}")
    return dict(info["fields"])


async def test_repair_fixes_them_and_keeps_permissions(spec_store: SurrealStore) -> None:
    before = await fields_of(spec_store)
    steps = await spec_store.migrate(repair=True)
    assert len(steps) == 4
    assert all(step.why for step in steps)
    assert await spec_store.check() == []
    after = await fields_of(spec_store)
    for name in ("payload", "created_at", "assigned_to"):
        kept = before[name].partition("PERMISSIONS")[2]
        looked_up = name != "payload"
        kept = kept.replace("WHERE true", "FULL") if looked_up else kept
        assert after[name].partition("PERMISSIONS")[2] == kept
    assert await spec_store.migrate(repair=True) == []


OWN = {
    "assigned_to": "TYPE record<thread> DEFAULT thread:t COMMENT 'whose TYPE'",
    "retry_strategy": "TYPE string DEFAULT 'own' ASSERT $value IN ['exponential', 'own'] COMMENT 'how'",
    "created_at": "TYPE datetime VALUE time::now() COMMENT 'since'",
    "lease_until": "TYPE option<datetime> COMMENT 'open' PERMISSIONS FULL",
    "max_retries": "TYPE int DEFAULT 5 COMMENT 'open' PERMISSIONS FOR update FULL FOR create NONE",
}
"""Weak definitions of a user's."""


@pytest.mark.parametrize(("field", "own"), OWN.items(), ids=OWN)
async def test_repair_replaces_what_is_weak_and_shows_it(
    migrated: SurrealStore, field: str, own: str
) -> None:
    await migrated._connection.write(f"DEFINE TABLE thread; DEFINE FIELD OVERWRITE {field} ON job {own}")
    before = (await fields_of(migrated))[field]
    planned = await migrated.migration(repair=True)
    assert await migrated.migrate(repair=True) == planned
    assert [f"(instead of {before})" in step.why for step in planned] == [True]
    assert (await migrated.check(), await migrated.migration(repair=True)) == ([], [])


@pytest.mark.parametrize("field", ["lease_until", "max_retries"])
async def test_any_migration_closes_what_breaks_a_promise_and_changes_no_more(
    migrated: SurrealStore, field: str
) -> None:
    await migrated._connection.write(f"DEFINE FIELD OVERWRITE {field} ON job {OWN[field]}")
    before = (await fields_of(migrated))[field]
    (found,) = [finding for finding in await migrated.check() if finding.breaks_promise]
    assert (found.subject, found.stops_jobs, found.fix) == (f"job.{field}", False, "run: sp00ky migrate")
    await migrated.migrate()
    after = (await fields_of(migrated))[field]
    assert after.partition(" PERMISSIONS ")[0] == before.partition(" PERMISSIONS ")[0]
    assert "FOR update NONE" in after.replace("create, update NONE", "update NONE")
    assert (await migrated.check(), await migrated.migration()) == ([], [])
