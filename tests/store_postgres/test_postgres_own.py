"""The store's own tables: mended where they lack something, left alone where they are somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.errors import SchemaError
from sp00ky_store_postgres import PostgresStore


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


FOREIGN = {
    "breaker without a state": ("sp00ky_breaker (backend text PRIMARY KEY)", "it has no column state"),
    "breaker of another type": (
        "sp00ky_breaker (backend text PRIMARY KEY, state boolean)",
        "column state is boolean, not text",
    ),
    "breaker without a key": ("sp00ky_breaker (backend text, state text)", "its backend isn't unique"),
    "runner": ("sp00ky_runner (id text PRIMARY KEY, distance integer)", "it has no column host"),
    "runner with more": (
        "sp00ky_runner (id text PRIMARY KEY, host text, pid integer, team text NOT NULL)",
        "column team is NOT NULL and has no default",
    ),
    "migration": ("sp00ky_migration (id integer PRIMARY KEY)", "it has no column table_name"),
    "migration of another type": (
        "sp00ky_migration (table_name text, version text)",
        "column version is text, not integer",
    ),
    "view": ("VIEW", "it is a view"),
}


@pytest.mark.parametrize(("own", "why"), FOREIGN.values(), ids=FOREIGN)
async def test_somebody_elses_is_named_and_left_as_it_is(
    make: Any, sql: Any, quoted: str, own: str, why: str
) -> None:
    await sql.execute(f"CREATE SCHEMA {quoted}")
    create = f"CREATE TABLE {quoted}.{own}"
    if own == "VIEW":
        create = (
            f"CREATE VIEW {quoted}.sp00ky_breaker AS SELECT 'api'::text AS backend, 'open'::text AS state"
        )
    await sql.execute(create)
    store = make()
    await store.open()
    (finding,) = await store.check()
    assert finding.stops_jobs
    assert f"is somebody else's table and was left as it is: {why}" in finding.problem
    assert finding.mend.startswith("rename it, or give the jobs a schema of their own")
    for call in (store.migrate, store.migration):
        with pytest.raises(SchemaError, match="somebody else's table"):
            await call()
    assert await sql.fetchval(f"SELECT to_regclass('{quoted}.job')") is None
    await store.close()


LACKING = {
    "breaker": (
        "sp00ky_breaker",
        "ALTER TABLE {0} DROP probe_until, DROP failures, DROP paused_until, DROP probe_runner",
        {"failures", "paused_until", "probe_runner", "probe_until"},
    ),
    "breaker's rules": (
        "sp00ky_breaker",
        "ALTER TABLE {0} ALTER state DROP DEFAULT, ALTER state DROP NOT NULL",
        {"state"},
    ),
    "runner": (
        "sp00ky_runner",
        "ALTER TABLE {0} DROP started_at, ALTER beat_at DROP DEFAULT",
        {"beat_at", "started_at"},
    ),
    "migration": ("sp00ky_migration", "ALTER TABLE {0} DROP applied_at", {"applied_at"}),
}


@pytest.mark.parametrize(("own", "change", "columns"), LACKING.values(), ids=LACKING)
async def test_what_is_lacking_is_found_and_added(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, own: str, change: str, columns: set[str]
) -> None:
    opened = BreakerChange(backend="api", before=Breaker(), to=BreakerState.OPEN, failures=3)
    await store.change_breaker(opened)  # the table has rows
    await store.beat("r0")
    await sql.execute(change.format(f"{quoted}.{own}"))
    found = await store.check()
    assert {each.problem.split()[1] for each in found} == columns
    assert all(
        (each.subject, each.stops_jobs, each.mend) == (own, True, "run: sp00ky migrate") for each in found
    )
    steps = await store.migrate()
    assert {each.table for each in steps} == {own}
    assert await store.check() == []
    assert await store.migrate() == []
    await store.add([new_job()])
    claim = await store.claim({"api": 1}, "r1")
    assert claim.breakers["api"].state is BreakerState.HALF_OPEN
    assert "r0" in await store.beat("r1")
