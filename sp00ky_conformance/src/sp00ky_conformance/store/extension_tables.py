"""Hold a store to what it promises extensions: tables of their own, and transactions over them and jobs."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import attrs
import pytest
import pytest_asyncio

from sp00ky_conformance.store.harness import CLOCK_TOLERANCE, MAIL, StoreHarness, eventually, new_job, where
from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job
from sp00ky_core.ports import (
    Column,
    Default,
    ExtensionTransaction,
    Index,
    Is,
    JobQuery,
    KeyedJob,
    Kind,
    Row,
    Spared,
    Store,
    StoreOptions,
    Table,
)

__all__ = ["ExtensionConformance"]

PARTS = Table(
    "sp00ky_part",
    (
        Column("whole", Kind.TEXT, required=True, length=100),
        Column("n", Kind.INTEGER, required=True),
        Column("status", Kind.TEXT, "waiting", required=True, length=20),
        Column("said", Kind.JSON),
        Column("weight", Kind.REAL),
        Column("due", Kind.INSTANT),
        Column("made_at", Kind.INSTANT, Default.NOW),
        Column("job_id", Kind.TEXT, length=310),
    ),
    ("whole", "n"),
    (Index("due", ("due", "whole", "n"), (Is("due", "!=", None),)),),
    version=1,
)

NAMED = Table(
    "sp00ky_named", (Column("id", Kind.TEXT, length=64), Column("n", Kind.INTEGER)), ("id",), version=1
)

WIDER = attrs.evolve(PARTS, columns=(*PARTS.columns, Column("note", Kind.TEXT, length=100)), version=2)
KEY = UUID("0198f3a0-0000-8000-8000-000000000001")


def part(n: int, **fields: Any) -> Row:
    """Build a row, whole but for what the database fills in."""
    missing = dict.fromkeys(("said", "weight", "due", "job_id"))
    return {"whole": "w", "n": n, "status": "waiting", **missing, **fields}


class Disliked(Exception):
    """An extension's work changes its mind."""


class ExtensionConformance(StoreHarness):
    """Tables that an extension declares are made, and written with jobs in one transaction."""

    @pytest_asyncio.fixture
    async def extended(self, options: StoreOptions) -> AsyncIterator[Store]:
        """Yield a store that is open and migrated, with an extension's table."""
        store = self.make_store(attrs.evolve(options, extension_tables=(PARTS, NAMED)))
        await store.open()
        try:
            await store.migrate()
            await store.transact(empty)
            yield store
        finally:
            await store.close()

    async def parts(self, store: Store, *where: Is) -> list[Row]:
        """Read the rows, in order."""

        async def work(tx: ExtensionTransaction) -> list[Row]:
            return await tx.select(PARTS, where, order=("n",))

        return await store.read_tables(work)

    async def test_an_extension_table_holds_every_kind_of_value(self, extended: Store) -> None:
        async def work(tx: ExtensionTransaction) -> Row:
            moment = tx.now - timedelta(days=3)
            row = part(1, said='{"a": [1, "\\u00e9"]}', weight=0.5, due=moment.replace(microsecond=123456))
            await tx.insert(PARTS, [row])
            return row

        written = await extended.transact(work)
        (read,) = await self.parts(extended)
        assert {name: read[name] for name in written} == written
        assert abs(read["made_at"] - written["due"] - timedelta(days=3)) <= CLOCK_TOLERANCE
        assert await extended.migration() == []

    async def test_a_transaction_of_rows_and_jobs_commits_all(self, extended: Store) -> None:
        async def work(tx: ExtensionTransaction) -> list[Job]:
            await tx.insert(PARTS, [part(1), part(2)])
            jobs = await tx.enqueue([new_job(), KeyedJob(job=new_job(), key=KEY)])
            await tx.update(PARTS, [Is("whole", "=", "w"), Is("n", "=", 2)], {"status": "pending"})
            return jobs

        jobs = await extended.transact(work)
        assert [row["status"] for row in await self.parts(extended)] == ["waiting", "pending"]
        assert {job.id for job in await self.claim(extended)} == {job.id for job in jobs}

    async def test_a_transaction_that_raises_leaves_nothing(self, extended: Store) -> None:
        async def work(tx: ExtensionTransaction) -> None:
            await tx.insert(PARTS, [part(1)])
            await tx.enqueue([new_job()])
            raise Disliked

        with pytest.raises(Disliked):
            await extended.transact(work)
        assert await self.parts(extended) == []
        assert await extended.find(JobQuery()) == []

    async def test_one_of_many_wins_a_compare_and_set(self, extended: Store) -> None:
        async def make(tx: ExtensionTransaction) -> None:
            await tx.insert(PARTS, [part(1)])

        async def take(tx: ExtensionTransaction) -> int:
            guard = [Is("whole", "=", "w"), Is("n", "=", 1), Is("status", "=", "waiting")]
            won = await tx.update(PARTS, guard, {"status": "pending"})
            if won:
                await tx.enqueue([KeyedJob(job=new_job(), key=KEY)])
            return won

        await extended.transact(make)
        won = await asyncio.gather(*(extended.transact(take) for _ in range(8)))
        assert sorted(won) == [0] * 7 + [1]
        assert len(await extended.find(JobQuery())) == 1

    async def test_a_job_with_a_key_is_there_once(self, extended: Store) -> None:
        async def work(tx: ExtensionTransaction) -> list[Job]:
            return await tx.enqueue([KeyedJob(job=new_job(), key=KEY)])

        made = [await extended.transact(work) for _ in range(2)]
        found = await extended.find(JobQuery())
        assert [[job.id for job in jobs] for jobs in made] == [[found[0].id]] * 2
        assert len(found) == 1

    async def test_a_job_with_a_key_waits_for_its_delay(self, extended: Store) -> None:
        job = KeyedJob(job=new_job(delay=timedelta(hours=1)), key=KEY)
        await extended.transact(lambda tx: tx.enqueue([job]))
        due_in = await extended.next_due(["api"])
        assert due_in == pytest.approx(3_600, abs=60)

    async def test_a_dedup_key_holds_in_a_transaction_of_an_extensions(self, extended: Store) -> None:
        (held,) = await extended.add([new_job(dedup_key="k")])

        async def work(tx: ExtensionTransaction) -> list[Job]:
            jobs = await tx.enqueue([new_job(dedup_key="k"), KeyedJob(job=new_job(dedup_key="l"), key=KEY)])
            return jobs + await tx.enqueue([new_job(dedup_key="l"), new_job(dedup_key="k", backend=MAIL)])

        again, made, same, elsewhere = await extended.transact(work)
        assert (again.id, same.id) == (held.id, made.id)
        assert {job.id for job in await extended.find(JobQuery())} == {held.id, made.id, elsewhere.id}

    async def test_many_updates_tell_rows_apart_by_their_whole_key(self, extended: Store) -> None:
        async def work(tx: ExtensionTransaction) -> int:
            await tx.insert(PARTS, [part(1), part(2)])
            return await tx.update_many(
                PARTS, [([Is("whole", "=", "w"), Is("n", "=", n)], {"status": f"s{n}"}) for n in (1, 2)]
            )

        assert await extended.transact(work) == 2
        assert [row["status"] for row in await self.parts(extended)] == ["s1", "s2"]

    async def test_a_key_that_another_job_has_is_refused(self, extended: Store) -> None:
        """Who may make rows could have guessed the key of a job that is to come."""

        async def work(tx: ExtensionTransaction, path: str) -> list[Job]:
            return await tx.enqueue([KeyedJob(job=new_job(path=path), key=KEY)])

        await extended.transact(partial(work, path="/theirs"))
        with pytest.raises(RowRefused, match="another job"):
            await extended.transact(partial(work, path="/spookify"))
        assert [job.path for job in await extended.find(JobQuery())] == ["/theirs"]

    async def test_rows_are_put_taken_and_counted(self, extended: Store) -> None:
        async def work(tx: ExtensionTransaction) -> tuple[int, int, bool]:
            await tx.insert(PARTS, [part(n, due=tx.now) for n in range(4)])
            await tx.put(PARTS, [part(0, status="put"), part(4, status="put")])
            assert not await tx.insert_once(PARTS, part(0))
            taken = await tx.take(PARTS, [part(1), part(9)])
            deleted = await tx.delete(PARTS, [Is("whole", "=", "w"), Is("n", "=", 2)])
            return len(taken), deleted, await tx.count(PARTS, [Is("status", "=", "put")]) == 2

        assert await extended.transact(work) == (1, 1, True)
        rows = [(row["n"], row["status"]) for row in await self.parts(extended)]
        assert rows == [(0, "put"), (3, "waiting"), (4, "put")]

    async def test_rows_are_named_by_ids(self, extended: Store) -> None:
        async def make(tx: ExtensionTransaction) -> list[bool]:
            return [await tx.insert_once(NAMED, {"id": name, "n": 1}) for name in ("a", "b", "c-d")]

        async def use(tx: ExtensionTransaction) -> tuple[int, int, list[str]]:
            changed = await tx.update(NAMED, [Is("id", "in", ("a", "c-d", "x"))], {"n": 2})
            deleted = await tx.delete(NAMED, [Is("id", "in", ("a", "b")), Is("n", "=", 2)])
            rows = await tx.select(NAMED, [Is("id", ">", "b"), Is("id", "not in", ("b",))], order=("id",))
            return changed, deleted, [row["id"] for row in rows]

        assert await extended.transact(make) == [True] * 3
        assert await extended.transact(make) == [False] * 3
        assert await extended.transact(use) == (2, 1, ["c-d"])

    async def test_null_meets_no_comparison_with_a_value(self, extended: Store) -> None:
        asked = {
            Is("weight", "!=", 0.5): [3],
            Is("weight", "not in", (0.5, 1.0)): [3],
            Is("weight", "<", 9.0): [2, 3],
            Is("weight", "=", None): [1],
            Is("weight", "!=", None): [2, 3],
        }

        async def make(tx: ExtensionTransaction) -> None:
            await tx.insert(PARTS, [part(1), part(2, weight=0.5), part(3, weight=2.0)])

        async def counts(tx: ExtensionTransaction) -> list[int]:
            return [await tx.count(PARTS, [condition]) for condition in asked]

        await extended.transact(make)
        met = [[row["n"] for row in await self.parts(extended, condition)] for condition in asked]
        assert met == list(asked.values())
        assert await extended.read_tables(counts) == [len(ns) for ns in asked.values()]

    async def test_null_comes_before_every_value(self, extended: Store) -> None:
        async def work(tx: ExtensionTransaction) -> list[list[Row]]:
            return [await tx.select(PARTS, order=order) for order in (("weight", "n"), ("-weight", "n"))]

        async def make(tx: ExtensionTransaction) -> None:
            await tx.insert(PARTS, [part(1, weight=2.0), part(2), part(3, weight=0.5)])

        await extended.transact(make)
        orders = await extended.read_tables(work)
        assert [[row["n"] for row in rows] for rows in orders] == [[2, 3, 1], [1, 3, 2]]

    async def test_jobs_that_rows_of_an_extension_name_are_spared(self, options: StoreOptions) -> None:
        options = attrs.evolve(options, extension_tables=(PARTS, NAMED))
        async with self.opened(options, keep_success=0.0) as store:
            if self.is_migrated:
                await store.migrate()
            await store.transact(empty)
            kept, gone, other = [await self.ended(store) for _ in range(3)]

            async def work(tx: ExtensionTransaction) -> None:
                named = part(1, status="kept", job_id=kept.id), part(2, job_id=gone.id)
                await tx.insert(PARTS, [*named, part(3, status="kept")])

            await store.transact(work)
            spared = [Spared(PARTS, "job_id", "status", ("kept", "none"))]

            async def the_others_are_gone() -> bool:
                await store.prune(spared=spared)
                return {job.id for job in await store.find(JobQuery())}.isdisjoint({gone.id, other.id})

            await eventually(the_others_are_gone)
            assert [job.id for job in await store.find(JobQuery())] == [kept.id]

    @where("transactions")
    async def test_rows_and_jobs_join_a_callers_transaction(self, extended: Store) -> None:
        rows, jobs = {PARTS: [part(1), part(2)]}, [KeyedJob(job=new_job(), key=KEY)]
        for times in range(2):  # what is there already stays as it is
            async with self.transaction(extended) as connection:
                made = await extended.insert_within(connection, rows, jobs)
                if not times:
                    assert await extended.find(JobQuery()) == []
        assert [job.id for job in await extended.find(JobQuery())] == [job.id for job in made]
        assert len(await self.parts(extended)) == 2

    @where("transactions")
    async def test_a_dedup_key_holds_in_what_joins_a_callers_transaction(self, extended: Store) -> None:
        (held,) = await extended.add([new_job(dedup_key="k")])
        jobs = [KeyedJob(job=new_job(dedup_key="k"), key=KEY), KeyedJob(job=new_job(), key=UUID(int=7))]
        async with self.transaction(extended) as connection:
            again, made = await extended.insert_within(connection, {}, jobs)
        assert again.id == held.id
        assert {job.id for job in await extended.find(JobQuery())} == {held.id, made.id}

    @where("transactions")
    async def test_nothing_is_left_of_a_callers_transaction_that_rolls_back(self, extended: Store) -> None:
        async def change_of_mind() -> None:
            async with self.transaction(extended) as connection:
                await extended.insert_within(connection, {PARTS: [part(1)]}, ())
                raise Disliked

        with pytest.raises(Disliked):
            await change_of_mind()
        assert await self.parts(extended) == []

    async def test_a_column_that_is_new_is_added(self, extended: Store, options: StoreOptions) -> None:
        if not extended.capabilities.durable or not extended.capabilities.shared:
            await extended.close()
        newer = self.make_store(attrs.evolve(options, extension_tables=(WIDER,)))
        await newer.open()
        try:
            await newer.migrate()

            async def work(tx: ExtensionTransaction) -> list[Row]:
                await tx.insert(WIDER, [{**part(7), "note": "new"}])
                return await tx.select(WIDER, [Is("n", "=", 7)])

            (row,) = await newer.transact(work)
            assert row["note"] == "new"
            assert await newer.migration() == []
        finally:
            await newer.close()


async def empty(tx: ExtensionTransaction) -> None:
    """Delete what a test before has left, where stores share a database."""
    await tx.delete(PARTS, [Is("whole", "=", "w")])
    await tx.delete(NAMED, [Is("id", "!=", "")])
