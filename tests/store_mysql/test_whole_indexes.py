"""Indexes that hold all rows, on SQLite, whose planner says which one it takes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.store_kit.connection.conftest import Session, refused

from sp00ky_core.job.job import JobStatus
from sp00ky_store_kit import Is
from sp00ky_store_kit.rows import ORDERED, UNORDERED
from sp00ky_store_kit.schema import LIVE_STATUSES, job_table
from sp00ky_store_mysql.whole_indexes import WholeIndexes

JOB = job_table("job")


class WholeSession(WholeIndexes, Session):
    """A session whose indexes are of this kind."""


@pytest.fixture
def whole() -> Iterator[WholeSession]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield WholeSession(connection, refused)


@pytest.mark.parametrize(
    ("where", "order", "index"),
    [
        ([Is("status", "in", LIVE_STATUSES), Is("dedup_key", "=", "k")], (), "dedup"),
        ([*ORDERED, Is("ordering_key", ">", "k")], ("ordering_key", "ordering_at", "id"), "ordering"),
        ([*UNORDERED, Is("priority", "=", 0)], ("run_at", "id"), "claim"),
        ([Is("status", "!=", JobStatus.PROCESSING), Is("lease_until", ">", "A")], (), "leased"),
    ],
)
async def test_rows_are_asked_for_by_the_copy_that_is_indexed(
    whole: WholeSession, monkeypatch: pytest.MonkeyPatch, where: Any, order: Any, index: str
) -> None:
    table = whole.fitted(JOB)
    await whole.define(whole.definition(table))
    for made in table.indexes:
        await whole.define(whole.definition(table, made))
    asked: list[Any] = []

    async def noted(text: str, parameters: Any = ()) -> Any:
        asked.extend([text, parameters])
        return [], 0

    monkeypatch.setattr(whole, "execute", noted)
    assert await whole.select(JOB, where, order=order, columns=["id"]) == []
    plan = whole.connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}", asked[1]).fetchall()
    assert f"job_{index}_idx" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
