"""Jobs are found newest first, page by page, in all tables together."""

from __future__ import annotations

from tests.core.stores.transactional.conftest import NOW, TABLES, SqliteSession, added

from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.transactional.connection.session import Is
from sp00ky_core.stores.transactional.observe.find import find
from sp00ky_core.stores.transactional.schema.definition import job_table


async def test_pages_of_one_instant(session: SqliteSession) -> None:
    await added(session, 2)
    await added(session, 2, backend="mail")
    for table in ("job", "mail_job"):
        stored = job_table(table)
        for row, at in zip(await session.select(stored), (None, NOW), strict=True):
            await session.update(stored, [Is("id", "=", row["id"])], {"created_at": at})
    whole = await find(session, TABLES, JobQuery(), None)
    for number, after in enumerate(whole, 1):
        assert await find(session, TABLES, JobQuery(), after) == whole[number:]
