"""Rules that refuse rows, references that keep them, and a bench of runners."""

from pathlib import Path
from typing import Any

import pytest
from tests.store_postgres.jobs.bench import Bench

from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore


@pytest.fixture
def rule(sql: Any, quoted: str) -> Any:
    """A trigger of a user's: ``await rule("status = 'success'", "RAISE 'no'")``, on what an update makes."""

    async def make(when: str, body: str) -> None:
        await sql.execute(
            f"CREATE OR REPLACE FUNCTION {quoted}.mine() RETURNS trigger LANGUAGE plpgsql AS $f$ "
            f"DECLARE x text; BEGIN IF {when} THEN {body}; END IF; RETURN NEW; END $f$;"
            f"CREATE TRIGGER mine BEFORE UPDATE ON {quoted}.job FOR EACH ROW EXECUTE FUNCTION {quoted}.mine()"
        )

    return make


@pytest.fixture
def referred(sql: Any, quoted: str) -> Any:
    """A table of a user's that refers to jobs, some of which it is given."""

    async def make(job_ids: str) -> None:
        await sql.execute(
            f"CREATE TABLE {quoted}.doc (job uuid REFERENCES {quoted}.job (id));"
            f"INSERT INTO {quoted}.doc SELECT id FROM {quoted}.job WHERE {job_ids}"
        )

    return make


@pytest.fixture
def bench(store: PostgresStore, table: JobTable, tmp_path: Path) -> Bench:
    return Bench(store, table, tmp_path)
