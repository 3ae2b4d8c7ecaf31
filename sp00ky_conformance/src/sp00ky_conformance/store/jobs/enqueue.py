"""``add``: what is stored, dedup keys, delays, transactions of the caller's."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    PATIENCE,
    RUNNER,
    WHILE,
    StoreHarness,
    failure,
    is_close,
    moment,
    new_job,
    settlement,
    silent,
    where,
)
from sp00ky_core.errors import OptionInvalid, Sp00kyError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, Store, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.transitions import kill

__all__ = ["DedupConformance", "EnqueueConformance", "TransactionConformance"]


class EnqueueConformance(StoreHarness):
    """A job is stored as it was given."""

    async def test_a_job_has_the_documented_defaults(self, store: Store, options: StoreOptions) -> None:
        (job,) = await store.add([new_job(path="/a", payload={})])
        assert job.id.startswith(f"{options.tables[0].table}:")
        assert (job.backend, job.path, job.payload, job.status) == (API, "/a", {}, JobStatus.PENDING)
        assert (job.retries, job.max_retries, job.retry_strategy, job.timeout) == (0, 3, "linear", None)
        assert (job.assigned_to, job.dedup_key, job.traceparent, job.defect) == (None, None, None, None)
        assert (job.priority, job.ordering_key, job.ordering_at, job.expires_at) == (0, None, None, None)
        assert (job.errors, job.result, job.lease_epoch) == ((), None, 0)
        assert (job.lease_until, job.runner_id) == (None, None)
        assert moment(job.created_at).utcoffset() == timedelta(0)
        assert is_close(job.updated_at, job.created_at)
        assert is_close(job.run_at, job.created_at)

    async def test_what_add_returns_is_what_get_returns(self, store: Store) -> None:
        expires_at = datetime(2100, 1, 1, tzinfo=UTC)
        batch = [new_job(), new_job(priority=3, ordering_key="k"), new_job(expires_at=expires_at)]
        added = await store.add(batch)
        assert [await store.get(job.id) for job in added] == added

    async def test_every_option_is_stored(self, store: Store) -> None:
        fields: dict[str, Any] = {
            "assigned_to": "thread:t1",
            "max_retries": 7,
            "retry_strategy": "exponential",
            "timeout": 2.5,
            "dedup_key": "k\u00e9y",
            "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
            "priority": 2,
            "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
            "ordering_key": "k\u00e9y",
        }
        (added,) = await store.add([new_job(**fields)])
        job = await store.get(added.id)
        assert {name: getattr(job, name) for name in fields} == fields

    @pytest.mark.parametrize(
        "payload",
        [
            {"deep": {"list": [1, None, True, {"x": []}], "text": "\u00fcber \U0001f47b \u2028"}},
            {"numbers": [0, -1, 1.5, 2**53, 1e-9], "empty": {}, "": ""},
            {"escaped": "a\u0000b", "quote": "'\"\\; DROP TABLE job; --"},
        ],
        ids=["nested", "numbers", "escaped"],
    )
    async def test_a_payload_comes_back_whole(self, store: Store, payload: dict[str, Any]) -> None:
        (added,) = await store.add([new_job(payload=payload)])
        assert (await store.get(added.id)).payload == payload
        (claimed,) = await self.claim(store)
        assert claimed.payload == payload

    async def test_a_batch_keeps_its_order(self, store: Store) -> None:
        jobs = await store.add([new_job(path=f"/{n}") for n in range(250)])
        assert [job.path for job in jobs] == [f"/{n}" for n in range(250)]
        assert len({job.id for job in jobs}) == 250

    async def test_a_batch_may_be_for_several_backends(self, store: Store, options: StoreOptions) -> None:
        jobs = await store.add([new_job(), new_job(backend=MAIL), new_job()])
        tables = [options.tables[0].table, options.tables[1].table, options.tables[0].table]
        assert [job.backend for job in jobs] == [API, MAIL, API]
        assert [job.id.partition(":")[0] for job in jobs] == tables

    async def test_adding_nothing_is_nothing(self, store: Store) -> None:
        assert await store.add([]) == []

    async def test_a_batch_is_all_or_none(self, store: Store) -> None:
        with pytest.raises(Sp00kyError):
            await store.add([new_job(), new_job(backend="none")])
        assert await store.find(JobQuery()) == []

    async def test_a_delayed_job_is_due_later(self, store: Store) -> None:
        (job,) = await store.add([new_job(delay=timedelta(hours=1))])
        assert is_close(job.run_at, moment(job.created_at) + timedelta(hours=1))
        assert await self.claim(store) == []

    async def test_run_at_is_kept_to_the_microsecond(self, store: Store) -> None:
        run_at = datetime(2042, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
        (job,) = await store.add([new_job(run_at=run_at)])
        assert (await store.get(job.id)).run_at == run_at

    async def test_run_at_may_be_in_another_time_zone(self, store: Store) -> None:
        run_at = datetime.fromisoformat("2042-02-03T04:05:06+05:30")
        (job,) = await store.add([new_job(run_at=run_at)])
        assert job.run_at == run_at

    async def test_a_connection_of_no_known_kind_is_refused(self, store: Store) -> None:
        with pytest.raises(OptionInvalid):
            await store.add([new_job()], connection=object())
        assert await store.find(JobQuery()) == []


class DedupConformance(StoreHarness):
    """A dedup key is unique among a table's jobs that haven't ended."""

    async def test_the_existing_job_is_returned(self, store: Store) -> None:
        (first,) = await store.add([new_job(dedup_key="k", path="/first")])
        again = await store.add([new_job(dedup_key="k", path="/second"), new_job(dedup_key="other")])
        assert again[0] == first
        assert again[1].id != first.id
        assert len(await store.find(JobQuery())) == 2

    async def test_a_key_counts_once_in_a_batch(self, store: Store) -> None:
        one, two, same = await store.add([new_job(dedup_key=key) for key in ("k", None, "k")])
        assert same.id == one.id != two.id
        assert len(await store.find(JobQuery())) == 2

    async def test_a_key_counts_once_among_concurrent_calls(self, store: Store) -> None:
        batches = await asyncio.gather(
            *(store.add([new_job(dedup_key="k"), new_job(dedup_key=f"k{n}")]) for n in range(8))
        )
        assert len({batch[0].id for batch in batches}) == 1
        assert len({batch[1].id for batch in batches}) == 8
        assert len(await store.find(JobQuery())) == 9

    async def test_keys_that_differ_at_their_ends_are_different(self, store: Store) -> None:
        ghosts = 254 * "\U0001f47b"  # of four bytes each
        jobs = [(await store.add([new_job(dedup_key=f"{ghosts}{end}")]))[0] for end in "aba"]
        assert jobs[0].id == jobs[2].id != jobs[1].id
        assert len(await store.find(JobQuery())) == 2

    async def test_each_table_has_its_own_keys(self, store: Store) -> None:
        one, other = await store.add([new_job(dedup_key="k"), new_job(dedup_key="k", backend=MAIL)])
        assert one.id != other.id

    async def test_a_job_in_flight_still_holds_its_key(self, store: Store) -> None:
        job = await self.claimed(store, dedup_key="k")
        (again,) = await store.add([new_job(dedup_key="k")])
        assert again.id == job.id
        retried = await self.settled(store, job, failure())
        assert retried.status is JobStatus.PENDING
        assert (await store.add([new_job(dedup_key="k")]))[0].id == job.id

    @pytest.mark.parametrize("event", [Delivered(), failure(retryable=False)], ids=["success", "failed"])
    async def test_an_ended_job_frees_its_key(self, store: Store, event: Any) -> None:
        job = await self.ended(store, event, dedup_key="k")
        (new,) = await store.add([new_job(dedup_key="k")])
        assert new.id != job.id
        assert (await store.get(job.id)).dedup_key == "k"

    async def test_a_killed_job_frees_its_key(self, store: Store) -> None:
        (job,) = await store.add([new_job(dedup_key="k")])
        await kill(store, [job.id])
        (new,) = await store.add([new_job(dedup_key="k")])
        assert new.id != job.id

    async def test_a_released_and_a_reclaimed_job_hold_their_key(self, store: Store) -> None:
        job = await self.claimed(store, dedup_key="k")
        await store.release(RUNNER, keep=())
        assert (await store.add([new_job(dedup_key="k")]))[0].id == job.id
        await self.claim(store, runner="dead")
        await store.reclaim(silent("dead"))
        assert (await store.add([new_job(dedup_key="k")]))[0].id == job.id

    async def test_a_job_that_waits_for_long_holds_its_key(self, store: Store, options: StoreOptions) -> None:
        job_id = store.own_id(f"{options.tables[0].table}:{new_key()}")
        assert job_id is not None
        at = datetime.now(UTC) - timedelta(days=2)
        values: dict[str, Any] = {"backend": API, "path": "/a", "payload_json": b"{}", "dedup_key": "k"}
        values |= dict.fromkeys(("created_at", "updated_at", "run_at"), at)
        await store.import_jobs([Job(id=job_id, status=JobStatus.PENDING, **values)])
        await self.add(store, dedup_key="other")
        assert (await store.add([new_job(dedup_key="k")]))[0].id == job_id

    async def test_a_lost_job_that_fails_frees_its_key(self, store: Store) -> None:
        job = await self.claimed(store, dedup_key="k", max_retries=0)
        await store.reclaim(silent(RUNNER))
        assert (await store.add([new_job(dedup_key="k")]))[0].id != job.id


class TransactionConformance(StoreHarness):
    """``connection=`` joins a transaction of the caller's, or is refused where the store says so."""

    @where("transactions")
    async def test_jobs_are_there_when_it_commits(self, store: Store) -> None:
        async with self.transaction(store) as connection:
            jobs = await store.add([new_job(), new_job()], connection=connection)
            assert await self.claim(store) == []
        assert {job.id for job in await self.claim(store)} == {job.id for job in jobs}

    @where("transactions")
    async def test_jobs_are_not_there_when_it_rolls_back(self, store: Store) -> None:
        async def change_of_mind() -> None:
            async with self.transaction(store) as connection:
                await store.add([new_job(dedup_key="k")], connection=connection)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await change_of_mind()
        assert await store.find(JobQuery()) == []
        await self.claimed(store, dedup_key="k")

    @where("transactions")
    async def test_it_dedups_against_committed_and_own_jobs(self, store: Store) -> None:
        (committed,) = await store.add([new_job(dedup_key="k")])
        async with self.transaction(store) as connection:
            (same,) = await store.add([new_job(dedup_key="k")], connection=connection)
            (own,) = await store.add([new_job(dedup_key="own")], connection=connection)
            (again,) = await store.add([new_job(dedup_key="own")], connection=connection)
        assert (same.id, again.id) == (committed.id, own.id)
        assert len(await store.find(JobQuery())) == 2

    @where("transactions")
    async def test_a_key_is_unique_against_an_open_transaction(self, store: Store) -> None:
        committed = False
        try:
            async with self.transaction(store) as connection:
                (first,) = await store.add([new_job(dedup_key="k")], connection=connection)
                rival = asyncio.ensure_future(store.add([new_job(dedup_key="k")]))
                await asyncio.wait([rival], timeout=WHILE)
            committed = True
        except Exception:  # noqa: BLE001  # the database's own, of whatever type
            # Where transactions collide instead of waiting, the rival may win; then the commit must fail.
            (second,) = await rival
        if committed:
            (second,) = await rival
            assert second.id == first.id
        assert await store.find(JobQuery()) == [second]

    @where("transactions")
    async def test_an_open_transaction_never_delays_a_settle(self, store: Store) -> None:
        """It waits for the transaction where writes aren't concurrent, and goes through then."""
        concurrent = store.capabilities.concurrent_writes
        job = await self.claimed(store, dedup_key="k")
        async with self.transaction(store) as connection:
            await store.add([new_job(dedup_key="k"), new_job(dedup_key="l")], connection=connection)
            settling = asyncio.ensure_future(store.settle([settlement(job, Delivered())]))
            done, _ = await asyncio.wait([settling], timeout=PATIENCE if concurrent else WHILE)
        (result,) = await settling
        assert bool(done) is concurrent, f"capabilities.concurrent_writes = {concurrent} isn't so"
        assert result.fate == "settled"

    @where("transactions")
    async def test_its_jobs_send_the_signal(self, store: Store) -> None:
        signal = store.work_signal()
        await anext(signal)
        async with self.transaction(store) as connection:
            await store.add([new_job()], connection=connection)
        async with asyncio.timeout(PATIENCE):
            await anext(signal)
        await signal.aclose()
