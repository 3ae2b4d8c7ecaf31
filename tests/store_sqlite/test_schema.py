"""What migrate makes of a file, what check says of it, and whether statements use the indexes."""

import ast
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.store_sqlite.conftest import migrated

import sp00ky_store_sqlite
from sp00ky_core.errors import SchemaError
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_kit.schema import AUDITS, BREAKERS, CONTROLS, MIGRATIONS, RUNNERS, job_table
from sp00ky_store_sqlite import SqliteStore
from sp00ky_store_sqlite.session import SqliteSession

SOURCE = Path(sp00ky_store_sqlite.__file__).parent


async def test_what_is_missing_is_found_and_added(store: SqliteStore, connection: Any) -> None:
    (job,) = await store.add([NewJob(backend="api", path="/a", payload={})])
    connection.execute("DROP INDEX job_claim_idx")
    connection.execute("DROP INDEX job_deferred_idx")
    connection.execute("ALTER TABLE job DROP COLUMN deferred_since")
    found = await store.check()
    assert [(finding.problem, finding.stops_jobs) for finding in found] == [
        ("the column deferred_since is missing", True),
        ("the index job_claim_idx is missing", False),
        ("the index job_deferred_idx is missing", False),
    ]
    assert {finding.fix for finding in found} == {"run: sp00ky migrate"}
    assert len(await store.migrate()) == 3
    assert await store.check() == []
    assert await store.get(job.id) == job


async def test_an_empty_file_is_one_finding(options: StoreOptions) -> None:
    store = SqliteStore(options)
    await store.open()
    (finding,) = await store.check()
    assert finding.stops_jobs
    assert finding.problem.startswith("the tables are missing: job, sp00ky_runner, ")
    await store.migrate()
    assert await store.check() == []
    await store.close()


async def test_a_table_of_somebody_elses_is_left_alone(options: StoreOptions, connection: Any) -> None:
    connection.execute("CREATE TABLE job (title TEXT, salary INTEGER)")
    store = SqliteStore(options)
    await store.open()
    with pytest.raises(SchemaError, match="no table of Sp00ky's"):
        await store.migrate()
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("job",)]
    await store.close()


async def test_a_newer_schema_that_this_version_cannot_use(store: SqliteStore, connection: Any) -> None:
    connection.execute("UPDATE sp00ky_migration SET version = 9, min_compatible = 9")
    with pytest.raises(SchemaError, match="upgrade sp00ky-core"):
        await store.migrate()
    connection.execute("UPDATE sp00ky_migration SET min_compatible = 1")
    assert await store.migrate() == []


async def test_a_file_of_an_earlier_version_is_brought_over(options: StoreOptions, connection: Any) -> None:
    connection.executescript((Path(__file__).parent / "version_1.sql").read_text())
    for status in ("pending", "processing", "failed"):
        connection.execute(
            "INSERT INTO job (id, path, payload, status) VALUES (?, '/a', '{}', ?)", (status, status)
        )
    store = SqliteStore(options)
    await store.open()
    findings = {finding.problem: finding.stops_jobs for finding in await store.check()}
    assert findings["the column priority is missing"]
    assert not findings["the index job_due_idx is of an earlier version, and nothing uses it"]
    await store.migrate()
    assert await store.check() == []
    names = {name for (name,) in connection.execute("SELECT name FROM pragma_index_list('job')")}
    assert {"job_claim_idx", "job_ordering_idx", "job_status_idx"} <= names
    assert "job_due_idx" not in names
    (waiting,) = await store.claim({"api": 9}, "r")
    assert (waiting.id, waiting.priority, waiting.ordering_key) == ("job:pending", 0, None)
    assert (await store.get("job:failed")).status == "failed"
    await store.beat("r")
    await store.pause("api")
    await store.close()


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda store: store.claim({"api": 5}, "r"), "job_claim_idx"),
        (lambda store: store.claim({"api": 5}, "r"), "job_ordering_idx"),
        (lambda store: store.claim({"api": 5}, "r"), "job_leased_idx"),
        (lambda store: store.next_due(["api"]), "job_claim_idx"),
        (lambda store: store.next_due(["api"]), "job_ordering_idx"),
        (lambda store: store.release("r", keep=()), "job_status_idx"),
        (lambda store: store.reclaim({}), "job_status_idx"),
        (lambda store: store.prune(), "job_status_idx"),
        (lambda store: store.stats(), "job_status_idx"),
        (lambda store: store.stats(), "job_claim_idx"),
        (lambda store: store.errors(), "job_status_idx"),
    ],
)
async def test_no_call_reads_the_whole_table(options: StoreOptions, call: Any, index: str) -> None:
    store = await _filled(options)
    seen = await _explained(store, call)
    assert any(index in step for step in seen), seen
    assert not [step for step in seen if step == "SCAN job"], seen
    await store.close()


@pytest.mark.parametrize(
    "call", [lambda store: store.claim({"api": 5}, "r"), lambda store: store.next_due(["api"])]
)
async def test_no_claim_sorts_what_waits(options: StoreOptions, call: Any) -> None:
    store = await _filled(options)
    assert not [step for step in await _explained(store, call) if "B-TREE" in step]
    await store.close()


async def _filled(options: StoreOptions) -> SqliteStore:
    """Open a store with a queue that uses whatever a queue can."""
    table = JobTable(backend="api", table="job", keep_success=0.0, keep_failed=0.0, max_in_flight=9)
    store = await migrated(StoreOptions(url=options.url, tables=(table,), directory=options.directory))
    fields: list[dict[str, Any]] = [{}, {"priority": 2}, {"ordering_key": "a"}, {"ordering_key": "b"}]
    await store.add([NewJob(backend="api", path="/a", payload={}, **extra) for extra in fields * 5])
    return store


async def _explained(store: SqliteStore, call: Any) -> list[str]:
    """Make a call; the plans of its statements on jobs."""
    seen: list[str] = []
    execute = SqliteSession.execute

    async def explained(self: SqliteSession, text: str, parameters: Any = ()) -> Any:
        if '"job"' in text and text.startswith(("SELECT", "UPDATE", "DELETE")):
            plan, _ = await execute(self, f"EXPLAIN QUERY PLAN {text}", parameters)
            seen.extend(row[3] for row in plan)
        return await execute(self, text, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteSession, "execute", explained)
        await call(store)
    return seen


def test_the_adapter_names_no_column() -> None:
    tables = (job_table("job"), RUNNERS, BREAKERS, CONTROLS, AUDITS, MIGRATIONS)
    columns = {column.name for table in tables for column in table.columns} - {"id", "version"}
    for file in SOURCE.glob("*.py"):
        texts = {
            node.value
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not columns & texts, file


def test_the_adapter_is_small() -> None:
    """``callers.py`` takes connections of three more libraries; for its own an adapter needs 20 lines."""
    files = [file for file in SOURCE.glob("*.py") if file.name != "callers.py"]
    lines = [line.strip() for file in files for line in file.read_text().splitlines()]
    assert len([line for line in lines if line and not line.startswith("#")]) < 250 - 20


async def test_the_switch_to_wal_waits_for_another_process(
    options: StoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(options)
    path = store.location.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("sp00ky_store_sqlite.store.time.sleep", lambda _: other.rollback())
        await store.open()
        await store.migrate()
    await store.close()


def test_a_caller_s_connection_is_migrated_in_its_transaction(options: StoreOptions) -> None:
    """The only way to a database in memory; nothing is opened for it."""
    store = SqliteStore(options)
    with closing(sqlite3.connect(":memory:")) as callers:
        planned = store.migrate_in(callers, only_plan=True)
        assert callers.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        callers.execute("BEGIN")
        assert store.migrate_in(callers) == planned
        callers.rollback()
        assert store.migrate_in(callers, only_plan=True) == planned
        store.migrate_in(callers)
        callers.commit()
        assert store.migrate_in(callers) == []
        (job,) = store.add_in(callers, [NewJob(backend="api", path="/a", payload={})])
        assert store.get_in(callers, job.id) == job
