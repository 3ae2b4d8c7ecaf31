"""Operating on jobs by their ids: what is refused, and what plugins are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from tests.core.two_backends import CONFIG, SPEC, ended, enqueued, opened, statuses

from sp00ky_core import (
    JobFilter,
    OperatorFate,
    Outbox,
    hookimpl,
    load_plugins,
)
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job import Job, NewJob


@pytest_asyncio.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path) as outbox:
        yield outbox


async def test_without_ids_and_without_a_filter_nothing_is_done(outbox: Outbox) -> None:
    ids = await ended(outbox, 2)
    for operate in (outbox.kill, outbox.redrive, outbox.clear):
        assert await operate() == []
    assert await statuses(outbox, ids) == {"failed"}


@attrs.define
class Witness:
    """What a plugin is told of settled jobs."""

    seen: list[tuple[str, str, str]] = attrs.field(factory=list)

    @hookimpl
    def sp00ky_job_settled(self, job: Job, transition: Any) -> None:
        self.seen.append((job.id, transition.to.value, transition.error.reason))


async def test_kills_are_told_to_plugins_once_each(tmp_path: Path) -> None:
    (tmp_path / "openapi.yml").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(CONFIG)
    plugins, witness = load_plugins(), Witness()
    plugins.register(witness, name="witness", distribution="these-tests")
    async with Outbox.open(tmp_path / "sp00ky.yml", plugins=plugins) as outbox:
        one, two, three = await enqueued(outbox, 3)
        results = await outbox.kill(one, one, "job:none", reason="why")
        assert [each.fate for each in results][:2] == [OperatorFate.KILLED] * 2
        assert witness.seen == [(one, "failed", "why")]
        await outbox.kill(one)
        await outbox.redrive(one)
        assert len(witness.seen) == 1
        await outbox.kill(filter=JobFilter(since=(await outbox.get(one)).created_at), reason="all")
        assert sorted(witness.seen[1:]) == sorted((each, "failed", "all") for each in (one, two, three))


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
