"""What has a name of ours and says something else is found; what says the same in other words isn't."""

from __future__ import annotations

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core.errors import SchemaError
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.differing import terms

DEDUP = "UNIQUE INDEX job_dedup ON {0}.job (dedup_key) WHERE"
LIVE = "status IN ('pending', 'processing')"
DIFFERENT = {
    # Its name; what is made in its place; whether that stops jobs.
    "columns": ("job_due", "INDEX job_due ON {0}.job (path) WHERE status = 'pending'", False),
    "order": ("job_due", "INDEX job_due ON {0}.job (id, run_at) WHERE status = 'pending'", False),
    "no condition": ("job_due", "INDEX job_due ON {0}.job (run_at, id)", False),
    "condition": ("job_dedup", f"{DEDUP} status = 'failed'", False),
    "not unique": ("job_dedup", f"INDEX job_dedup ON {{0}}.job (dedup_key) WHERE {LIVE}", True),
    "wider": ("job_dedup", f"UNIQUE INDEX job_dedup ON {{0}}.job (dedup_key, id) WHERE {LIVE}", True),
    "negated": (
        "job_held",
        "INDEX job_held ON {0}.job (runner_id, lease_until) WHERE status <> 'processing'",
        False,
    ),
}
EQUAL = {
    "order of a condition": f"{DEDUP} status = 'processing' OR status = 'pending'",
    "an array": f"{DEDUP} status = ANY ('{{{{pending,processing}}}}'::text[])",
    "more columns": "INDEX job_due ON {0}.job (run_at, id, path) INCLUDE (size) WHERE 'pending' = status",
    "another method": "INDEX job_new ON {0}.job (created_at)",
}
RAISES = "BEGIN RAISE EXCEPTION 'somebody else''s'; END"
IDLE = "BEGIN RETURN NULL; END"


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


async def replace(sql: Any, quoted: str, statement: str) -> None:
    name = statement.removeprefix("UNIQUE ").split()[1]
    await sql.execute(f"DROP INDEX {quoted}.{name}; CREATE {statement.format(quoted)}")


@pytest.mark.parametrize(("name", "statement", "stops"), DIFFERENT.values(), ids=DIFFERENT)
async def test_an_index_that_is_another_one(
    store: PostgresStore, sql: Any, quoted: str, name: str, statement: str, stops: bool
) -> None:
    await replace(sql, quoted, statement)
    (finding,) = await store.check()
    assert (finding.subject, finding.stops_jobs) == ("job", stops)
    assert finding.problem.startswith(f"index {name} is another one: ")
    await mended(store, sql, finding.mend)


@pytest.mark.parametrize("statement", EQUAL.values(), ids=EQUAL)
async def test_an_index_in_other_words(store: PostgresStore, sql: Any, quoted: str, statement: str) -> None:
    await sql.execute(f"ALTER TABLE {quoted}.job ADD size integer")
    await replace(sql, quoted, statement)
    assert await store.check() == []


async def test_a_key_that_is_another_one(store: PostgresStore, sql: Any, quoted: str) -> None:
    await sql.execute(
        f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_pkey; CREATE INDEX job_key ON {quoted}.job (id)"
    )
    (finding,) = await store.check()
    assert (finding.stops_jobs, finding.problem) == (True, "index job_key is another one: (id)")
    await mended(store, sql, finding.mend)


@pytest.mark.parametrize("rule", ["true", "payload IS NOT NULL"])
async def test_a_rule_that_is_another_one(store: PostgresStore, sql: Any, quoted: str, rule: str) -> None:
    await sql.execute(
        f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_payload, ADD CONSTRAINT job_payload CHECK ({rule})"
    )
    (finding,) = await store.check()
    assert not finding.stops_jobs
    assert finding.problem.startswith("constraint job_payload is another one: ")
    await mended(store, sql, finding.mend)


async def test_rules_in_other_words_and_times_of_another_session(
    store: PostgresStore, sql: Any, quoted: str, make: Any
) -> None:
    await sql.execute(
        f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_payload, DROP CONSTRAINT job_retries,"
        "ADD CONSTRAINT job_payload CHECK ('object' = json_typeof(payload) AND path <> '/secret'),"
        "ADD CONSTRAINT job_retries CHECK (retries >= 0 AND retries <= 1000)"
    )
    assert await store.check() == []
    assert await make(timezone="Asia/Kathmandu", datestyle="German").check() == []


@pytest.mark.parametrize(("source", "stops"), [(RAISES, True), (IDLE, False)], ids=["raises", "idle"])
async def test_a_function_that_is_another_one(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, source: str, stops: bool
) -> None:
    function = f"FUNCTION {quoted}.sp00ky_notify() RETURNS trigger LANGUAGE plpgsql AS $$ {source} $$"
    await sql.execute(f"CREATE OR REPLACE {function}")
    (finding,) = await store.check()
    assert (finding.stops_jobs, finding.problem) == (stops, "function sp00ky_notify is another one")
    with pytest.raises(SchemaError, match="function sp00ky_notify is another one; ALTER FUNCTION"):
        await store.migrate()
    await mended(store, sql, finding.mend.replace("...", "mine"))
    await store.add([new_job()])


async def test_a_trigger_that_calls_another_function(store: PostgresStore, sql: Any, quoted: str) -> None:
    await sql.execute(
        f"CREATE FUNCTION {quoted}.mine() RETURNS trigger LANGUAGE plpgsql AS $$ {RAISES} $$;"
        f"DROP TRIGGER job_sp00ky_notify ON {quoted}.job; CREATE TRIGGER job_sp00ky_notify "
        f"AFTER INSERT ON {quoted}.job EXECUTE FUNCTION {quoted}.mine()"
    )
    with pytest.raises(asyncpg.RaiseError):
        await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES ('/a')")
    (finding,) = await store.check()
    problem = f'trigger job_sp00ky_notify calls another function: {quoted}."mine"()'
    assert (finding.stops_jobs, finding.problem) == (True, problem)
    await mended(store, sql, finding.mend)


async def test_a_function_that_tells_others_too_is_as_good(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    ours = "PERFORM pg_notify('sp00ky', TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME)"
    await sql.execute(
        f"CREATE OR REPLACE FUNCTION {quoted}.sp00ky_notify() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {ours}; PERFORM pg_notify('others', ''); RETURN NULL; END $$"
    )
    assert await store.check() == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [  # as PostgreSQL writes them
        (
            "timeout > 0 AND timeout < 'Infinity'",
            "((timeout > (0)::double precision) AND (timeout < 'Infinity'::double precision))",
        ),
        (
            "lease_epoch BETWEEN 0 AND 4611686018427387904",
            "((lease_epoch >= 0) AND (lease_epoch <= '4611686018427387904'::bigint))",
        ),
        ("path <> ''", "(path <> ''::text)"),
        (
            "status IN ('a', 'b')",
            "((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
        ),
    ],
)
def test_the_terms_of_a_condition(ours: str, theirs: str) -> None:
    assert terms(ours) == terms(theirs)
    assert terms(ours) != terms(f"NOT {theirs}")


async def mended(store: PostgresStore, sql: Any, mend: str) -> None:
    """Do what a finding says."""
    statements, _, rest = mend.partition("; then ")
    assert rest == "run: sp00ky migrate"
    for each in statements.split("; "):
        await sql.execute(each)
    await store.migrate()
    assert await store.check() == []
