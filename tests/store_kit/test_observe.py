"""Jobs are grouped by their last error, page by page; minutes are folded into hours, each once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.store_kit.conftest import NOW, TABLES, SqliteSession, added, overtaken

from sp00ky_core.ports import ErrorGroup, JobFilter, Rollup, RollupQuery
from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_store_kit import observe
from sp00ky_store_kit.connection.session import Is
from sp00ky_store_kit.observe import error_groups, fold_rollups, read_rollups, write_rollups
from sp00ky_store_kit.schema import ROLLUPS, job_table


async def groups(session: SqliteSession, since: datetime | None = None, limit: int = 9) -> list[ErrorGroup]:
    async def read(work: Any) -> Any:
        return await work(session)

    return await error_groups(read, TABLES, since=since, limit=limit, conditions=JobFilter(), by="route")


async def failed(
    session: SqliteSession, count: int, name: str, status: str = "failed", **fields: Any
) -> None:
    values = {"status": status, "last_error_name": name, "last_error_code": 0}
    for job in await added(session, count, **fields):
        table, _, key = job.id.partition(":")
        await session.update(job_table(table), [Is("id", "=", key)], values)


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_every_row_is_counted_once(
    session: SqliteSession, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(observe, "PAGE", page)
    await failed(session, 5, "timeout")
    await session.execute("UPDATE job SET updated_at = (SELECT max(updated_at) FROM job) WHERE rowid > 2")
    (group,) = await groups(session)
    assert (group.count, group.first, group.last) == (5, NOW, NOW + timedelta(seconds=4))
    (group,) = await groups(session, since=NOW + timedelta(seconds=1))
    assert (group.count, group.first) == (4, NOW + timedelta(seconds=1))
    await session.execute("UPDATE job SET updated_at = NULL WHERE rowid > 2")
    (group,) = await groups(session)
    assert (group.count, group.first, group.last) == (5, BEGINNING, NOW + timedelta(seconds=1))


async def test_a_minute_that_another_transaction_has_folded_is_counted_once(session: SqliteSession) -> None:
    old = session.at - timedelta(days=3)
    minutes = [
        Rollup(minute=old + timedelta(minutes=n), runner_id="r", backend="api", outcome="success", count=1)
        for n in range(2)
    ]
    await write_rollups(session, minutes)
    other = "UPDATE sp00ky_rollup SET runner_id = '' WHERE minute = (SELECT min(minute) FROM sp00ky_rollup)"
    overtaken(session, ROLLUPS, other)
    assert await fold_rollups(session, limit=9) == 1
    (total,) = await read_rollups(session, RollupQuery(since=old))
    assert total.count == 2
