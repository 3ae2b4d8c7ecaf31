"""What the store is called with: changes that are checked, and delays that spread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.core.two_backends import ended, enqueued, opened

from sp00ky_core import JobFilter, Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.operators import matching_jobs, operation

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path) as outbox:
        yield outbox


async def waits(outbox: Outbox) -> list[float]:
    """Seconds from each redrive to when the job is due, the next one first."""
    jobs = await outbox.find(limit=1_000)
    found = [(job.run_at, job.updated_at) for job in jobs]
    return sorted((due - at).total_seconds() for due, at in found if due and at)


def spreads(seconds: list[float], over: float) -> bool:
    steps = [later - sooner for sooner, later in pairwise(seconds)]
    even = over / len(seconds)
    return seconds[0] == 0 and seconds[-1] < over and all(abs(step - even) < even / 2 for step in steps)


async def test_named_jobs_become_due_evenly(outbox: Outbox) -> None:
    ids = await ended(outbox, 5)
    await outbox.redrive(*ids, over=timedelta(minutes=10))
    assert [round(each) for each in await waits(outbox)] == [0, 120, 240, 360, 480]


async def test_jobs_of_a_filter_become_due_evenly_across_batches(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching_jobs, "PAGE", 3)
    await ended(outbox, 10)
    result = await outbox.redrive(filter=JobFilter(), over=timedelta(days=1))
    assert result.done == 10
    assert spreads(await waits(outbox), 86_400)


async def test_time_that_has_gone_by_counts(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching_jobs, "PAGE", 2)
    clock = iter([0.0, 50.0])
    monkeypatch.setattr(operation, "monotonic", lambda: next(clock))
    await ended(outbox, 4)
    await outbox.redrive(filter=JobFilter(), over=timedelta(seconds=80))
    assert [round(each) for each in await waits(outbox)] == [0, 0, 10, 20]


async def test_of_jobs_that_meet_a_filter_the_oldest_is_due_first(outbox: Outbox) -> None:
    await ended(outbox, 3)
    await outbox.redrive(filter=JobFilter(), over=timedelta(seconds=30))
    newest_first = [job.run_at for job in await outbox.find()]
    assert newest_first == sorted(newest_first, reverse=True)


async def test_more_jobs_than_matched_are_due_at_the_end(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended(outbox, 3)

    async def count(_conditions: JobFilter) -> int:
        return 1

    monkeypatch.setattr(outbox.store, "count", count)
    await outbox.redrive(filter=JobFilter(), over=timedelta(seconds=50))
    assert max(await waits(outbox)) <= 50


async def test_a_spread_that_cannot_be_is_refused(outbox: Outbox) -> None:
    ids = await ended(outbox, 1)
    for over in (timedelta(seconds=-1), 600, timedelta(days=10_000)):
        wrong: Any = over
        with pytest.raises(OptionInvalid, match="over is"):
            await outbox.redrive(*ids, over=wrong)
    assert await outbox.audit() == []


async def test_a_pending_job_is_rescheduled(outbox: Outbox) -> None:
    one, two, three = await enqueued(outbox, 3, delay=timedelta(hours=1))
    (failed,) = await enqueued(outbox, 1, "mail")
    await outbox.kill(failed)
    assert [each.fate for each in await outbox.reschedule(one, failed, at=AT, priority=3)] == [
        "rescheduled",
        "illegal",
    ]
    job = await outbox.get(one)
    assert (job.run_at, job.priority) == (AT, 3)
    await outbox.reschedule(two, delay=timedelta(days=2))
    await outbox.reschedule(three, now=True)
    due = {job_id: (await outbox.get(job_id)).run_at for job_id in (two, three)}
    now = datetime.now(UTC)
    assert due[two] is not None
    assert due[three] is not None
    assert due[two] - now > timedelta(days=1)
    assert due[three] <= now
    await outbox.reschedule(three, priority=1)
    assert (await outbox.get(three)).run_at == due[three]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "at is None; expected a time, delay, now or a priority"),
        ({"at": AT, "now": True}, "at is given with now; expected one of at, delay and now"),
        ({"delay": timedelta(0), "now": True}, "delay is given with now"),
        ({"at": AT.replace(tzinfo=None)}, "at is .*; expected a datetime with a time zone"),
        ({"at": "soon"}, "at is 'soon'"),
        ({"delay": timedelta(seconds=-1)}, "delay is"),
        ({"priority": 4}, "priority is 4; expected a whole number from 0 to 3"),
        ({"priority": True}, "priority is True"),
        ({"now": True, "reason": "\0"}, "reason is"),
        ({"now": True, "actor": "x" * 256}, "actor is"),
    ],
)
async def test_what_reschedules_badly_does_nothing(outbox: Outbox, options: Any, says: str) -> None:
    (job_id,) = await enqueued(outbox, 1)
    before = await outbox.get(job_id)
    with pytest.raises(OptionInvalid, match=says):
        await outbox.reschedule(job_id, **options)
    assert await outbox.get(job_id) == before
    assert await outbox.audit() == []
