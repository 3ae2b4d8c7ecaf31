"""Instants that bound a query."""

from __future__ import annotations

import pytest

from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_store_surreal import SurrealStore

PARTS = ["123456400", "123456500", "123456700", "123456999", "123001400", "123000400", "000001400"]
"""Of a second, in ns."""


@pytest.mark.parametrize("part", PARTS)
async def test_an_instant_as_it_was_read_bounds_its_own_row(migrated: SurrealStore, part: str) -> None:
    """An index compares instants as text: ``.123Z`` is later than ``.123001400Z``."""
    await migrated._connection.write(
        f"CREATE job:one SET path = '/a', payload = '{{}}', created_at = d'2024-01-02T03:04:05.{part}Z'"
    )
    (job,) = await migrated.find(JobQuery())
    assert await migrated.count(JobFilter(since=job.created_at)) == 1
    assert await migrated.count(JobFilter(until=job.created_at)) == 0
