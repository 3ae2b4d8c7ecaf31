"""Jobs are found newest first, page by page, in all tables together."""

from __future__ import annotations

from tests.core.stores.transactional.conftest import API, BY_NAME, NOW, TABLES, SqliteSession, added

from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.stores.transactional.connection.session import Is
from sp00ky_core.stores.transactional.observe.find import count, find, ids_by_age, ids_starting_with, load
from sp00ky_core.stores.transactional.schema.definition import job_table


async def test_pages_of_two_tables(session: SqliteSession) -> None:
    jobs = await added(session, 2) + await added(session, 2, backend="mail")
    found, after = [], None
    while page := await find(session, TABLES, JobQuery(limit=1), after):
        found += page
        after = page[-1]
    assert found == jobs[::-1]


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


async def test_ids(session: SqliteSession) -> None:
    jobs = await added(session, 3)
    ids = [each.id for each in jobs]
    assert await ids_by_age(session, TABLES, JobQuery()) == ids
    assert await ids_by_age(session, TABLES, JobQuery(), 2) == ids[1:]
    assert await ids_starting_with(session, "job", ids[1].partition(":")[2], 9) == [ids[1]]
    assert await ids_starting_with(session, "job", "", 2) == ids[:2]
    assert await ids_starting_with(session, "job", "zz", 2) == []


async def test_those_that_exist_in_the_order_that_is_asked_for(session: SqliteSession) -> None:
    one, two = await added(session, 2)
    assert await load(session, BY_NAME, [two.id, "job:none", "other:1", one.id, two.id]) == [two, one]
    assert await count(session, TABLES, JobFilter(path="/a")) == 2
    assert await count(session, [API], JobFilter(backend="mail")) == 0
