"""``import_jobs``, ``own_id``, ``redact``, ``copies_of``: rows are as they are to be."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import API, MAIL, StoreHarness, eventually, failure, is_close
from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import AttemptError, Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.outbox.operators.redaction import redacted, without_keys
from sp00ky_core.ports import JobQuery, Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.transitions import retry

__all__ = ["ImportConformance", "RedactConformance"]

AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)


class ImportConformance(StoreHarness):
    """A job that is imported is as it was where it comes from."""

    def elsewhere(self, store: Store, options: StoreOptions, **fields: Any) -> Job:
        """Make a job as another database has it."""
        backend = fields.pop("backend", API)
        table = next(table.table for table in options.tables if table.backend == backend)
        job_id = store.own_id(f"{table}:{new_key()}")
        assert job_id is not None
        whole: dict[str, Any] = {
            "path": "/spookify",
            "payload_json": b'{"id": 1}',
            "status": JobStatus.PENDING,
        }
        whole |= {"created_at": AT, "updated_at": AT, "run_at": AT}
        return Job(id=job_id, backend=backend, **{**whole, **fields})

    async def test_a_job_is_as_it_was(self, store: Store, options: StoreOptions) -> None:
        error = AttemptError(at=AT, attempt=1, code=503, name="http_status", reason="bye", runner_id="r")
        several = AttemptError(
            at=LATER, attempt=2, code=429, name="throttled", reason="slow", since=AT, count=3, scheme="amqp"
        )
        moved: dict[str, Any] = {"updated_at": LATER, "lease_epoch": 7}
        jobs = [
            self.elsewhere(
                store, options, priority=3, assigned_to="user:7", expires_at=LATER, copied_from="job:1"
            ),
            self.elsewhere(store, options, retries=2, errors=(error, several), run_at=LATER, **moved),
            self.elsewhere(store, options, ordering_key="k", ordering_at=AT, backend=MAIL),
            self.elsewhere(
                store,
                options,
                **moved,
                status=JobStatus.SUCCESS,
                result_json=b'{"n": [1, null, "x"]}',
                dedup_key="d",
                max_retries=9,
                request_id="q-1",
                redacted_at=LATER,
                timeout=5.0,
                retry_strategy="exponential",
            ),
            self.elsewhere(
                store,
                options,
                **moved,
                status=JobStatus.FAILED,
                errors=(error,),
                lease_until=LATER,
                runner_id="gone",
                traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
            ),
        ]
        await store.import_jobs(jobs)
        for job in jobs:
            stored = await store.get(job.id)
            written: dict[str, Any] = {"payload_json": job.payload_json, "result_json": job.result_json}
            assert attrs.evolve(stored, **written) == job
            assert (stored.payload, stored.result) == (job.payload, job.result)
        assert len(await store.find(JobQuery(code=503))) == 1
        assert len(await store.find(JobQuery(since=AT, until=LATER))) == len(jobs)

    async def test_what_is_pending_is_delivered(self, store: Store, options: StoreOptions) -> None:
        later = self.elsewhere(store, options, ordering_key="k", ordering_at=LATER)
        first = self.elsewhere(store, options, ordering_key="k", ordering_at=AT)
        plain = self.elsewhere(store, options, lease_epoch=4, retries=1)
        await self.add(store, ordering_key="k")
        await store.import_jobs([later, first, plain])
        claimed: dict[str, Job] = {}

        async def both() -> bool:
            claimed.update({job.id: job for job in await self.claim(store)})
            return len(claimed) > 1

        await eventually(both)
        assert claimed.keys() == {first.id, plain.id}
        assert (claimed[plain.id].lease_epoch, claimed[plain.id].retries) == (5, 1)

    async def test_what_has_ended_can_be_retried(self, store: Store, options: StoreOptions) -> None:
        job = self.elsewhere(store, options, status=JobStatus.FAILED, lease_epoch=3, dedup_key="d")
        await store.import_jobs([job])
        assert await self.claim(store) == []
        await retry(store, [job.id])
        assert [claimed.id for claimed in await eventually(lambda: self.claim(store))] == [job.id]

    async def test_a_new_one_gets_its_times_here(self, store: Store, options: StoreOptions) -> None:
        (before,) = await self.add(store, ordering_key="k")
        new: dict[str, Any] = {"created_at": None, "updated_at": None, "run_at": None, "ordering_key": "k"}
        copies = [self.elsewhere(store, options, **new, copied_from=before.id) for _ in range(2)]
        await store.import_jobs(copies)
        first, second = [await store.get(copy.id) for copy in copies]
        assert first.copied_from == second.copied_from == before.id
        assert is_close(first.created_at, before.created_at)
        assert is_close(first.run_at, before.created_at)
        for expected in (before, first, second):
            (job,) = await eventually(lambda: self.claim(store))
            assert job.id == expected.id
            await self.settled(store, job, Delivered())

    async def test_all_are_imported_or_none(self, store: Store, options: StoreOptions) -> None:
        there = await self.ended(store, failure(retryable=False))
        held = await self.add(store, dedup_key="d")
        with pytest.raises(RowRefused):
            await store.import_jobs(
                [self.elsewhere(store, options), self.elsewhere(store, options, dedup_key="d")]
            )
        same_id = attrs.evolve(self.elsewhere(store, options), id=there.id)
        with pytest.raises(RowRefused):
            await store.import_jobs([self.elsewhere(store, options), same_id])
        assert await store.get(there.id) == there
        assert {job.id for job in await store.find(JobQuery())} == {there.id, held[0].id}
        ended = self.elsewhere(store, options, dedup_key="d", status=JobStatus.SUCCESS)
        await store.import_jobs([ended])
        assert (await store.get(ended.id)).dedup_key == "d"

    async def test_an_id_is_written_as_this_database_does(self, store: Store, options: StoreOptions) -> None:
        (job,) = await self.add(store)
        assert store.own_id(job.id) == job.id
        table, _, key = job.id.partition(":")
        plain = key.replace("-", "")
        hyphens = f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"
        for notation in (plain, hyphens):
            own = store.own_id(f"{table}:{notation}")
            assert own is not None
            assert own.replace("-", "") == f"{table}:{plain}".replace("-", "")


class RedactConformance(StoreHarness):
    """What an ended job carries is taken out, and nothing else."""

    async def carrying(self, store: Store, **fields: Any) -> Job:
        """Make a job that has ended, and carries everything."""
        event = fields.pop("event", Delivered(result={"card": 4111}))
        options = {"assigned_to": "user:7", "dedup_key": "d", "payload": {"card": 4111}, **fields}
        options["ordering_key"] = "o"
        job = await self.settled(store, await self.claimed(store, **options), failure())
        (again,) = await eventually(lambda: self.claim(store))
        assert again.id == job.id
        return await self.settled(store, again, event)

    async def test_what_a_job_carries_is_as_it_is_given(self, store: Store) -> None:
        job = await self.carrying(store)
        left = redacted(job, ())
        assert await store.redact([left]) == [job.id]
        stored = await store.get(job.id)
        assert is_close(stored.redacted_at, job.updated_at)
        assert (stored.payload, stored.result) == ({}, None)
        assert [error.reason for error in stored.errors] == ["(redacted)"]
        assert [(error.at, error.code) for error in stored.errors] == [
            (error.at, error.code) for error in job.errors
        ]
        written: dict[str, Any] = {"redacted_at": stored.redacted_at, "payload_json": stored.payload_json}
        assert stored == attrs.evolve(left, **written, lease_epoch=stored.lease_epoch)
        assert stored.lease_epoch > job.lease_epoch
        assert [listed.id for listed in await store.find(JobQuery(assigned_to="user:7"))] == [job.id]

    async def test_keys_go_where_they_are_left_out(self, store: Store) -> None:
        job = await self.carrying(store, event=failure(retryable=False))
        await store.redact([without_keys(redacted(job, ("/none",)))])
        stored = await store.get(job.id)
        assert (stored.dedup_key, stored.ordering_key, stored.assigned_to) == (None, None, None)
        assert (stored.payload, stored.status, stored.updated_at) == (job.payload, job.status, job.updated_at)
        assert await store.find(JobQuery(assigned_to="user:7")) == []
        (result,) = await retry(store, [job.id])
        assert "redacted" in (result.problem or "")

    async def test_only_what_has_ended_as_it_was_read_is_written(
        self, store: Store, options: StoreOptions
    ) -> None:
        ended = await self.ended(store, failure(retryable=False))
        processing = await store.get((await self.claimed(store)).id)
        await retry(store, [ended.id])
        (pending,) = await self.add(store)
        again = await self.ended(store, backend=MAIL)
        assert again.is_terminal
        changed = [ended, attrs.evolve(again, lease_epoch=again.lease_epoch + 1)]
        before = [await store.get(job.id) for job in (ended, processing, pending, again)]
        assert await store.redact([redacted(job, ()) for job in changed]) == []
        assert [await store.get(job.id) for job in before] == before
        assert await store.redact([redacted(again, ())]) == [again.id]
        assert await store.redact([again]) == []  # as it was read before
        assert (await store.get(again.id)).payload == {}

    async def test_copies_are_found(self, store: Store, options: StoreOptions) -> None:
        jobs = await self.add(store, 2)
        table = options.tables[1].table
        own_id = store.own_id(f"{table}:{new_key()}")
        assert own_id is not None
        values: dict[str, Any] = {"backend": MAIL, "path": "/a", "payload_json": b"{}"}
        copy = Job(id=own_id, status=JobStatus.PENDING, copied_from=jobs[0].id, **values)
        await store.import_jobs([copy])
        assert await store.copies_of([job.id for job in jobs]) == [own_id]
        assert await store.copies_of([jobs[1].id, own_id]) == []
