"""Runners on a database whose rules refuse what they write: what each rule costs, and what is told of it."""

from typing import Any

import pytest
from tests.store_postgres.forging import forge

from sp00ky_core.ports import JobTable


@pytest.fixture
def table() -> JobTable:
    return JobTable(backend="api", table="job", timeout=1.0, lease_margin=1.0)


OLD = """
    INSERT INTO {table} (path, payload, status, updated_at)
    SELECT '/' || n, '{{}}', 'success', now() - interval '1 day' - n / 2 * interval '1 s'
    FROM generate_series(1, 50) AS n
"""


async def test_what_a_users_table_refers_to_is_kept_and_everything_else_is_pruned(
    make: Any, table: JobTable, sql: Any, quoted: str, referred: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tables = (table, JobTable(backend="mail", table="mail"))
    store = make(tables=tables)
    await store.open()
    await store.migrate()
    for each in tables:
        await forge(sql, quoted, OLD.format(table=f"{quoted}.{each.table}"), table=each.table)
    await referred("path IN ('/50', '/49', '/48', '/3')")
    counts = [await store.prune(limit=10) for _ in range(12)]
    await store.close()
    assert sum(counts) == 96
    assert await sql.fetchval(f"SELECT count(*) FROM {quoted}.job") == 4
    assert "and 2 more can't be deleted" in caplog.text
