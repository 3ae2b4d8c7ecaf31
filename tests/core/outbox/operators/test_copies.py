"""Copies of jobs: one by one, by conditions, and to another backend, whose contract they meet or don't."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from tests.core.two_backends import ended, opened

from sp00ky_core import JobFilter, JobStatus, Outbox
from sp00ky_core.errors import JobNotFound, OptionInvalid, UnknownRoute
from sp00ky_core.job.job import Job
from sp00ky_core.plugins.hookspecs import hookimpl

NARROW = """
openapi: 3.1.0
info: {title: mail, version: "1"}
paths:
  /a:
    post:
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {id: {type: integer, maximum: 2}}, required: [id]}
"""


@pytest_asyncio.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Outbox]:
    """The other backend takes less."""
    async with opened(tmp_path):
        pass
    (tmp_path / "narrow.yml").write_text(NARROW)
    config = (tmp_path / "sp00ky.yml").read_text().replace("mail: {spec: openapi", "mail: {spec: narrow")
    (tmp_path / "sp00ky.yml").write_text(config)
    async with Outbox.open(tmp_path / "sp00ky.yml") as outbox:
        yield outbox


async def jobs_of(outbox: Outbox, backend: str) -> list[Job]:
    return (await outbox.find(backend=backend, limit=100))[::-1]


class Enqueued:
    def __init__(self) -> None:
        self.jobs: list[Job] = []

    @hookimpl
    def sp00ky_job_enqueued(self, jobs: list[Job]) -> None:
        self.jobs += jobs


async def test_a_copy_is_like_the_old_one(outbox: Outbox) -> None:
    options: dict[str, Any] = {"assigned_to": "user:7", "max_retries": 9, "retry_strategy": "exponential"}
    options |= {"priority": 2, "ordering_key": "k"}
    (old_id,) = await ended(outbox, 1, payload={"id": 1}, dedup_key="d", **options)
    observer = Enqueued()
    outbox.plugins.register(observer, name="observer", distribution="these-tests")
    outbox = Outbox(outbox.config, store=outbox.store, plugins=outbox.plugins, backends=outbox.backends)
    same, other = [(await outbox.copy(old_id, payload=payload))[0] for payload in (None, {"id": 2})]
    old = await outbox.get(old_id)
    for job in (same, other):
        assert job == await outbox.get(job.id)
        assert {name: getattr(job, name) for name in options} == options
        assert (job.status, job.copied_from, job.dedup_key) == (JobStatus.PENDING, old_id, None)
        assert (job.errors, job.lease_epoch, job.created_at == old.created_at) == ((), 0, False)
    assert (same.payload, other.payload) == ({"id": 1}, {"id": 2})
    assert observer.jobs == [same, other]
    with pytest.raises(JobNotFound):
        await outbox.copy(old_id, "job:none")
    assert len(await jobs_of(outbox, "api")) == 3


async def test_each_goes_to_its_own_backend_where_none_is_named(outbox: Outbox) -> None:
    await ended(outbox, 2)
    assert (await outbox.copy(filter=JobFilter(backend="api"))).done == 2
    assert (await outbox.copy(filter=JobFilter(backend="mail"))).matched == 0
    assert len(await jobs_of(outbox, "api")) == 4


async def test_what_breaks_the_other_contract_is_refused_and_the_others_come(narrow: Outbox) -> None:
    for payload in ({"id": 1}, {"id": 5}, {}, {"id": 2}):
        await ended(narrow, 1, payload=payload)
    await ended(narrow, 1, path="/b")
    result = await narrow.copy(filter=JobFilter(), backend="mail")
    assert (result.matched, result.done, result.refused["illegal"]) == (5, 2, 3)
    assert [job.payload for job in await jobs_of(narrow, "mail")] == [{"id": 1}, {"id": 2}]
    (no_route,) = await narrow.find(path="/b")
    with pytest.raises(UnknownRoute):
        await narrow.copy(no_route.id, backend="mail")


async def test_what_was_redacted_needs_another_payload(outbox: Outbox) -> None:
    (old_id,) = await ended(outbox, 1, payload={"id": 1})
    old = await outbox.get(old_id)
    redacted = attrs.evolve(old, id=f"{old.id[:-2]}zz", redacted_at=old.updated_at)
    await outbox.store.import_jobs([redacted])  # type: ignore[attr-defined]
    with pytest.raises(OptionInvalid, match="redacted"):
        await outbox.copy(redacted.id)
    (copy,) = await outbox.copy(redacted.id, payload={"id": 3})
    assert copy.payload == {"id": 3}
    (refused,) = await outbox.retry(redacted.id)
    assert "redacted" in (refused.problem or "")
