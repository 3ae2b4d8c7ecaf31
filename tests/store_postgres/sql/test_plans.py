"""The statements go by their indexes, however large the table is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import pytest
import pytest_asyncio
from tests.store_postgres.conftest import with_query
from tests.store_postgres.forging import forge

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobFilter, JobQuery, JobTable, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_schedules.model.records import RunStatus
from sp00ky_schedules.tables import LATEST_FIRST, SCHEDULE_RUNS
from sp00ky_store_kit import Is, Work
from sp00ky_store_kit.jobs.due import next_head, select_due
from sp00ky_store_kit.jobs.retention import Deleting
from sp00ky_store_kit.jobs.settle import lost, overdue_claims, release
from sp00ky_store_kit.observe import count, find, load
from sp00ky_store_kit.rows import JobRows
from sp00ky_store_kit.schema import job_table
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.kit_session import PostgresSession

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

FILL = """
    INSERT INTO {schema}.job (path, payload, status, run_at, assigned_to, created_at, updated_at, runner_id)
    SELECT '/a', '{{}}', (ARRAY['pending', 'success', 'success', 'failed'])[n % 4 + 1],
        now() - n * interval '1 second', 'thread:' || n % 1000, now() - n * interval '1 minute',
        now() - n * interval '1 minute', NULL
    FROM generate_series(1, 60000) AS n
"""


@pytest.fixture(scope="module")
def large_url(dsn: str) -> Iterator[str]:
    """The URL of a store with 60,000 rows, one in four of them pending, which nobody changes."""
    schema = f"large_{new_key()[-12:]}"

    async def prepare(store: PostgresStore) -> None:
        connection = await asyncpg.connect(dsn)
        await store.open()
        await store.migrate()
        await store.close()
        await forge(connection, schema, FILL.format(schema=schema))
        await connection.execute(f"VACUUM ANALYZE {schema}.job")
        await connection.close()

    async def drop() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
        await connection.close()

    url = with_query(dsn, schema=schema)
    asyncio.run(prepare(PostgresStore(StoreOptions(url=url, tables=(JobTable(backend="api", table="job"),)))))
    yield url
    asyncio.run(drop())


@pytest_asyncio.fixture
async def large(large_url: str, make: Any) -> AsyncIterator[PostgresStore]:
    """A store on many rows."""
    store: PostgresStore = make(base=large_url)
    await store.open()
    yield store
    await store.close()


async def plan_of(dsn: str, lane: Workload, statement: str, *arguments: Any, **settings: str) -> str:
    """The generic plan that a connection of a lane runs."""
    connection = await asyncpg.connect(dsn, server_settings={**lane.settings, **settings})
    try:
        await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE it AS {statement}")
        values = ", ".join(["NULL"] * len(arguments))
        execute = f"EXECUTE it ({values})" if arguments else "EXECUTE it"
        rows = await connection.fetch(f"EXPLAIN (COSTS off) {execute}")
    finally:
        await connection.close()
    return "\n".join(row[0] for row in rows)


Asked = tuple[Workload, str, tuple[Any, ...], str]


async def statement_of(store: PostgresStore, work: Work[Any]) -> tuple[str, tuple[Any, ...]]:
    """The last statement of what is done in a transaction."""
    asked: list[tuple[str, tuple[Any, ...]]] = []

    async def fetch(statement: str, *arguments: Any) -> list[Any]:
        asked.append((statement, arguments))
        return [[datetime.now(UTC)]] if "clock_timestamp" in statement else []

    with suppress(IndexError, ValueError):  # there are no rows
        await work(PostgresSession(store._executor.tables, fetch))
    return asked[-1]


KEY = "0190163d-8694-739b-8c4f-4b7d2f1e3c55"


def works(table: JobTable) -> dict[str, tuple[Work[Any], str]]:
    """What is done in transactions, and the index that it goes by."""
    tables, find_page = [table], partial(find, tables=[table], after=None)
    assigned = JobQuery(assigned_to="thread:1", path="/a", limit=1)
    claims: dict[str, Any] = {"beating": ["r2"], "overdue": [], "refused": Quarantine(), "limit": 10}
    beginning = [Is("id", ">=", KEY), Is("id", "<=", KEY)]
    select = partial(PostgresSession.select, table=job_table("job"), where=beginning, order=("id",), limit=2)
    deleting = partial(Deleting, refused=Quarantine(), apart=False)
    counted = JobFilter(since=datetime.now(UTC))
    released = {"runner_id": "r1", "keep": [], "refused": Quarantine(), "apart": False}
    return {
        "due": (lambda session: select_due(JobRows(session, table, LONG_AGO), [], 9), "job_ready"),
        "heads": (lambda session: next_head(JobRows(session, table, LONG_AGO)), "job_keyed"),
        "lost": (partial(lost, tables=tables, dead=["r1"], **claims), "job_lease"),
        "overdue": (partial(overdue_claims, tables=tables, runners=["r1"], limit=10), "job_lease"),
        "release": (
            partial(release, tables={table.table: table for table in tables}, **released),
            "job_lease",
        ),
        "prune": (lambda session: deleting(session=session).by_age(tables, 1_000), "job_ended"),
        "clear": (lambda session: deleting(session=session).matching(tables, JobFilter(), 9), "job_recent"),
        "load": (partial(load, tables={"job": table}, ids=[f"job:{KEY}"]), "job_pkey"),
        "by a beginning": (select, "job_pkey"),
        "by record": (partial(find_page, query=assigned), "job_assigned"),
        "by trace": (partial(find_page, query=JobQuery(trace="a" * 32)), "job_traced"),
        "newest first": (partial(find_page, query=JobQuery()), "job_recent"),
        "oldest first": (partial(find_page, query=JobQuery(limit=500), oldest_first=True), "job_recent"),
        "processing": (partial(find_page, query=JobQuery(status=JobStatus.PROCESSING)), "job_lease"),
        "count": (partial(count, tables=tables, conditions=counted), "job_recent"),
    }


def statements(store: PostgresStore) -> dict[str, Asked]:
    tables = store._executor.tables
    (table,) = tables.all
    built = store._claims._statements
    counted = attrs.evolve(table, max_in_flight=7)

    key = "0190163d8694739b8c4f4b7d2f1e3c55"
    return {
        "claim": (Workload.CLAIM, built.claim(tables.all, []), ("r1", 100, *[LONG_AGO] * 4), "job_ready"),
        "claim by keys": (
            Workload.CLAIM,
            built.claim(tables.all, ["job"]),
            ("r1", 100, *[LONG_AGO] * 4, ""),
            "job_keyed",
        ),
        "next due": (Workload.CLAIM, built.next_due(tables.all, claimable=True), (), "job_ready"),
        "next due by keys": (Workload.CLAIM, built.next_due(tables.all, claimable=True), (), "job_keyed"),
        "in flight": (Workload.CLAIM, tables.statement("in_flight", table), (), "job_lease"),
        "leased": (Workload.CLAIM, tables.statement("in_flight", table), (), "job_lease"),
        "counted claim": (
            Workload.CLAIM,
            built.claim([counted], []),
            ("r1", 100, *[LONG_AGO] * 4),
            "job_ready",
        ),
        "counted next due": (Workload.CLAIM, built.next_due([counted], claimable=True), (), "job_lease"),
        "settle": (
            Workload.SETTLE,
            store._settles._statement(tuple(tables.by_name), plain=True),
            ([0], [key], [1], [None], "r1"),
            "job_pkey",
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("claim", "due", "heads", "next due", "settle", "lost", "overdue", "release", "load", "by record"),
        *("prune", "clear"),
        *("newest first", "oldest first", "by a beginning", "claim by keys"),
        *("next due by keys", "in flight", "leased", "counted claim", "counted next due"),
        *("processing", "count"),
    ],
)
async def test_a_statement_goes_by_its_index(large: PostgresStore, dsn: str, name: str) -> None:
    if name in (asked := works(large._executor.tables.all[0])):
        lane, (work, index) = Workload.REST, asked[name]
        statement, arguments = await statement_of(large, work)
    else:
        lane, statement, arguments, index = statements(large)[name]
    plan = await plan_of(dsn, lane, statement, *arguments)
    assert re.search(rf"\b{index}\b", plan)
    assert not re.search(r"Seq Scan on job\b", plan), plan


@pytest.mark.parametrize(
    ("name", "arguments", "indexes"),
    [
        ("stats", [], {"job_ready", "job_keyed", "job_ended"}),
        ("deferred", [LONG_AGO], {"job_ready", "job_keyed"}),
    ],
)
async def test_numbers_of_what_waits_read_no_row_that_ended(
    large: PostgresStore, dsn: str, name: str, arguments: list[Any], indexes: set[str]
) -> None:
    """However many rows have ended: those are counted in an index."""
    tables = large._executor.tables
    (table,) = tables.all
    parts = {status: tables.statement("all_ended", table, status=status) for status in ("success", "failed")}
    parts["rows"] = tables.statement("all_rows", table)
    statement = tables.statement(name, table, **parts)
    plan = await plan_of(dsn, Workload.REST, statement, *arguments, enable_seqscan="off")
    assert indexes <= set(re.findall(r"\bjob_[a-z]+", plan)), plan
    assert not re.search(r"Seq Scan on job\b", plan), plan


async def test_a_trace_is_found_before_its_jobs_are_put_in_order(large: PostgresStore, dsn: str) -> None:
    query = JobQuery(trace="0" * 32)
    found = partial(find, tables=large._executor.tables.all, query=query, after=None)
    statement, arguments = await statement_of(large, found)
    plan = await plan_of(dsn, Workload.REST, statement, *arguments)
    assert set(re.findall(r"\bjob_[a-z]+", plan)) == {"job_traced"}, plan


async def _asked(
    name: str, table: JobTable, where: list[Any], since: datetime, session: PostgresSession
) -> Any:
    return await session.asked(name, table, where, since)


async def test_watching_reads_what_changed_only(large: PostgresStore, sql: Any, dsn: str) -> None:
    (table,) = large._executor.tables.all
    since = await sql.fetchval("SELECT now()")
    changed = partial(_asked, "changed", table, [], since)
    statement, arguments = await statement_of(large, changed)
    plan = await plan_of(dsn, Workload.REST, statement, *arguments)
    assert not re.search(r"Seq Scan on job\b", plan), plan
    for index in ("job_recent", "job_moved", "job_lease", "job_ended"):
        assert index in plan


async def test_a_claim_of_a_table_never_analysed_goes_by_its_index(
    store: PostgresStore, dsn: str, new_job: Any
) -> None:
    await store.add([new_job() for _ in range(5_000)])
    lane, statement, arguments, index = statements(store)["claim"]
    assert index in await plan_of(dsn, lane, statement, *arguments)


async def test_a_probe_passes_over_a_row_that_somebody_holds(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any
) -> None:
    held, spent, free = await store.add([new_job(), new_job(max_retries=0), new_job()])
    await sql.execute(f"INSERT INTO {quoted}.sp00ky_breaker (backend, state) VALUES ('api', 'open')")
    async with sql.transaction():
        await sql.execute(f"SELECT FROM {quoted}.job WHERE id = $1 FOR UPDATE", held.id.partition(":")[2])
        assert [job.id for job in await store.claim({"api": 5}, "r1")] == [free.id]
    await sql.execute(f"UPDATE {quoted}.sp00ky_breaker SET probe_until = now()")
    assert [job.id for job in await store.claim({"api": 5}, "r1")] == [held.id]
    await sql.execute(f"UPDATE {quoted}.sp00ky_breaker SET probe_until = now()")
    assert [job.id for job in await store.claim({"api": 5}, "r1")] == [spent.id]


async def test_a_backlog_is_claimed_onward_and_still_the_oldest_first(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    """Claims that start where the last one ended pass over nothing that this process knows of."""
    await store.add([new_job(path=f"/{n}", run_at=LONG_AGO + timedelta(days=n)) for n in range(1, 9)])
    assert [job.path for job in await store.claim({"api": 2}, "r1")] == ["/1", "/2"]
    await store.add([new_job(path="/0", run_at=LONG_AGO)])
    assert [job.path for job in await store.claim({"api": 2}, "r1")] == ["/0", "/3"]
    await store.release("r1", keep=())
    assert [job.path for job in await store.claim({"api": 2}, "r2")] == ["/0", "/1"]
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, payload, run_at) VALUES ('/late', '{{}}', '2019-01-01Z')"
    )
    claimed = [job.path for job in await store.claim({"api": 20}, "r2")]  # more than there are ahead
    assert sorted(claimed) == sorted(["/late", *(f"/{n}" for n in range(2, 9))])
    assert await store.claim({"api": 1}, "r2") == []


RUNS = """
    INSERT INTO {schema}.sp00ky_schedule_run (schedule, fired_at, key, status)
    SELECT 's' || n % 50, now() - n * interval '1 second', n,
        CASE WHEN n < 100 THEN 'running' WHEN n % 20 = 0 THEN 'failed' ELSE 'success' END
    FROM generate_series(1, 60000) AS n
"""


LATEST = {"order": LATEST_FIRST, "limit": 10}


@pytest.mark.parametrize(
    ("where", "options", "index"),
    [
        ([Is("schedule", "=", "s1"), Is("status", "=", RunStatus.RUNNING)], {}, "sp00ky_schedule_run_status"),
        ([Is("schedule", "=", "s1")], LATEST, "sp00ky_schedule_run_pkey"),
        ([], LATEST, "sp00ky_schedule_run_fired"),
        (
            [Is("schedule", "=", "s1"), Is("status", "in", (RunStatus.KILLED,))],
            {"order": ("fired_at",), "limit": 1_000, "lock": True},
            "sp00ky_schedule_run_status",
        ),
    ],
)
async def test_runs_are_read_by_their_indexes(
    store: PostgresStore, sql: Any, quoted: str, where: list[Is], options: dict[str, Any], index: str
) -> None:
    """By the plan for these arguments, which is what a connection runs."""
    await sql.execute(RUNS.format(schema=quoted))
    await sql.execute(f"VACUUM ANALYZE {quoted}.sp00ky_schedule_run")
    select = partial(PostgresSession.select, table=SCHEDULE_RUNS, where=where, **options)
    statement, arguments = await statement_of(store, select)
    plan = "\n".join(row[0] for row in await sql.fetch(f"EXPLAIN {statement}", *arguments))
    assert index in plan
    assert "Seq Scan" not in plan, plan
