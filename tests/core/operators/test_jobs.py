"""Operating on jobs by their ids: what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.core.two_backends import ended, opened, statuses

from sp00ky_core import Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job import NewJob


@pytest_asyncio.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path) as outbox:
        yield outbox


async def test_without_ids_and_without_a_filter_nothing_is_done(outbox: Outbox) -> None:
    ids = await ended(outbox, 2)
    for operate in (outbox.kill, outbox.redrive, outbox.clear):
        assert await operate() == []
    assert await statuses(outbox, ids) == {"failed"}


async def test_what_is_no_id_no_filter_or_goes_without_a_filter_is_refused(outbox: Outbox) -> None:
    ids = await ended(outbox, 2)
    calls: list[tuple[str, Any]] = [
        ("filter is 'all'; expected a JobFilter", outbox.clear(filter="all")),
        ("job_id is 5; expected text", outbox.kill(5)),
        ("job_id is 5; expected text", outbox.get(5)),
        ("job_id is 5; expected text", anext(outbox.watch(5))),
        ("limit is 5; expected to go with a filter", outbox.clear(*ids, limit=5)),
        ("limit is 0; expected to go with a filter", outbox.redrive(limit=0)),
    ]
    for says, call in calls:
        with pytest.raises(OptionInvalid, match=says):
            await call
    assert await statuses(outbox, ids) == {"failed"}


async def test_a_job_for_another_backend_than_the_call_names_is_refused(outbox: Outbox) -> None:
    with pytest.raises(OptionInvalid, match=r"new_jobs\[1\].backend is 'zzz'; expected 'api'"):
        await outbox.run_many("api", [NewJob(path="/a", backend="api"), NewJob(path="/a", backend="zzz")])
    assert await outbox.find() == []
