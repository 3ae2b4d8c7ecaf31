"""Reading all jobs page by page, while others delete them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.core.two_backends import ended, enqueued, opened

from sp00ky_core import JobFilter, JobQuery, Outbox
from sp00ky_core.errors import JobNotFound, UnknownBackend
from sp00ky_core.job import Job
from sp00ky_core.operators import matching_jobs
from sp00ky_core.operators.transitions import clear


@pytest_asyncio.fixture
async def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbox]:
    monkeypatch.setattr(matching_jobs, "PAGE", 3)
    async with opened(tmp_path) as outbox:
        yield outbox


async def test_all_come_once_newest_first_in_pages(outbox: Outbox) -> None:
    ids = [*await enqueued(outbox, 4), *await enqueued(outbox, 4, "mail")]
    read = [[job.id for job in each] async for each in outbox.pages(JobFilter())]
    assert [len(each) for each in read] == [3, 3, 2]
    assert [job_id for each in read for job_id in each] == ids[::-1]


async def test_conditions_and_a_limit_hold(outbox: Outbox) -> None:
    ids = await enqueued(outbox, 6)
    await enqueued(outbox, 2, path="/b")
    read = [job.id async for each in outbox.pages(JobFilter(path="/a"), limit=4) for job in each]
    assert read == ids[:1:-1]
    assert [each async for each in outbox.pages(JobFilter(), limit=0)] == []
    after = await outbox.get(ids[3])
    assert [job.id async for each in outbox.pages(JobFilter(), after=after) for job in each] == ids[2::-1]
    with pytest.raises(UnknownBackend):
        outbox.pages(JobFilter(backend="apj"))


async def test_after_a_job_that_is_gone_nothing_is_known_to_come(outbox: Outbox) -> None:
    (job_id,) = await ended(outbox, 1)
    gone = await outbox.get(job_id)
    await clear(outbox.store, [job_id])
    with pytest.raises(JobNotFound):
        await anext(outbox.pages(JobFilter(), after=gone))


async def test_the_last_job_of_a_page_may_be_deleted_meanwhile(outbox: Outbox) -> None:
    """All were created in the same transaction, so that only their ids say where a page goes on."""
    ids = await ended(outbox, 8)
    assert len({job.created_at for job in await outbox.find()}) == 1
    read: list[str] = []
    async for each in outbox.pages(JobFilter()):
        read += [job.id for job in each]
        await clear(outbox.store, [read[-1]])
    assert read == ids[::-1]


async def test_the_whole_page_may_be_deleted_meanwhile(outbox: Outbox) -> None:
    ids = await ended(outbox, 8)
    read: list[str] = []
    async for each in outbox.pages(JobFilter()):
        read += [job.id for job in each]
        await clear(outbox.store, [job.id for job in each])
    assert read == ids[::-1]


async def test_ids_come_once_oldest_first(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second page is deleted once it is read, so that the first one is read again."""
    ids = await ended(outbox, 8)
    find, reads = outbox.store.find, 0

    async def deleting(query: JobQuery, **_: object) -> list[Job]:
        nonlocal reads
        reads += 1
        found = await find(query)
        if reads == 2:
            await clear(outbox.store, [job.id for job in found])
        return found

    monkeypatch.setattr(outbox.store, "find", deleting)
    read = [each async for each in matching_jobs.oldest_first(outbox.jobs, [JobFilter()])]
    assert [len(each) for each in read] == [3, 3, 2]
    assert [job_id for each in read for job_id in each] == ids


async def test_it_holds_one_page(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    await enqueued(outbox, 7)
    find, asked = outbox.store.find, list[int]()

    async def counting(query: JobQuery, **_: object) -> list[Job]:
        asked.append(query.limit)
        return await find(query)

    monkeypatch.setattr(outbox.store, "find", counting)
    pages = outbox.pages(JobFilter())
    await anext(pages)
    assert asked == [3]
    await pages.aclose()
