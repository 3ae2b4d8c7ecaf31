"""Rows whose key is an array or an object are no jobs: nothing touches them, or is held up by them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from surrealdb import RecordID
from tests.store_surreal.settlements import settlement_of

from sp00ky_core.job import NewJob
from sp00ky_core.operators.transitions import clear
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobFilter, JobQuery, JobTable, RunnerInfo
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.surql.loader import surql

KEYS = (
    *("[]", "['a', 1]", "[NONE]", "[d'2024-01-01T00:00:00.123456789Z', thread:a]", "[[[]]]", "[1.5, -0.5]"),
    *("{}", "{ a: 1, b: 'x' }", "{ a: (1.0, 2.0) }", "[..]", "[thread:1..5]", "[math::inf]"),
)

JOBS = ("u'ffffffff-ffff-ffff-ffff-fffffffffffe'", "⟨⟩", "⟨[1]⟩", "⟨{ a: 1 }⟩", "-9223372036854775808", "1")
"""Keys beside them, in every index."""


async def write(store: SurrealStore, key: str, more: str = "", *, table: str = "job") -> None:
    """Past the store, as a client does."""
    await store._connection.write(
        f"CREATE `{table}`:{key} CONTENT {{ path: '/a', payload: '{{}}'{more} }} RETURN NONE"
    )


async def rows(store: SurrealStore, table: str = "job") -> list[str]:
    """All of its other rows, whole, as text."""
    statement = f"SELECT VALUE <string>[id, status, runner_id, updated_at, errors] FROM `{table}`"  # noqa: S608
    return sorted((await store._connection.read(f"{statement} WHERE id >= `{table}`:[]"))[-1])


async def fill(store: SurrealStore, more: str = "") -> list[str]:
    """One row of each key; all of them, as they are then."""
    for key in KEYS:
        await write(store, key, more)
    return await rows(store)


async def claimed(store: SurrealStore, slots: int) -> set[str]:
    """The ids that two claims in a row return."""
    return {job.id for _ in range(2) for job in await store.claim({"api": slots}, "r")}


async def test_they_take_no_jobs_place_in_a_claim(migrated: SurrealStore) -> None:
    before = await fill(migrated)
    for key in JOBS:
        await write(migrated, key)
    assert len(await claimed(migrated, len(JOBS))) == len(JOBS)
    assert await rows(migrated) == before
    assert await migrated.claim({"api": 5}, "r") == []


async def test_they_take_no_jobs_place_where_claims_go_row_by_row(migrated: SurrealStore) -> None:
    before = await fill(migrated)
    (job,) = await migrated.add([NewJob(path="/b", backend="api")])
    for _ in range(2):
        migrated._claimer._care.raise_it()
    assert [each.id for each in await migrated.claim({"api": 1}, "r")] == [job.id]
    assert await rows(migrated) == before


async def test_they_take_no_place_in_flight(make_store: Callable[..., SurrealStore], url: str) -> None:
    store = make_store(url, (JobTable(backend="api", table="job", max_in_flight=2),))
    await store.open()
    await store.migrate()
    for number in range(2):
        await write(store, f"[{number}]", ", status: 'processing'")
    await store.add([NewJob(path="/b", backend="api") for _ in range(3)])
    claims = [len(await store.claim({"api": 3}, "r")) for _ in range(2)]
    await store.close()
    assert claims == [2, 0]


async def test_nothing_is_due_for_them(migrated: SurrealStore) -> None:
    await fill(migrated)
    assert await migrated.next_due(["api"]) is None
    assert [await migrated.claim({"api": 20}, "r") for _ in range(2)] == [[], []]
    (found,) = (await migrated.stats()).values()
    assert (found.pending, found.due, found.oldest_due_s) == (0, 0, None)


async def test_no_list_and_no_count_has_them(migrated: SurrealStore) -> None:
    await fill(migrated)
    await migrated.add([NewJob(path="/b", backend="api")])
    await fill_ended(migrated)
    (job,) = await migrated.find(JobQuery())
    assert await migrated.count(JobFilter()) == 1
    assert await migrated.ids_starting_with("job:", limit=100) == [job.id]
    async with aclosing(migrated.watch(JobQuery(), history=10)) as watched:
        assert (await anext(watched)).id == job.id
    (found,) = (await migrated.stats()).values()
    assert (found.pending, found.processing, found.success, found.failed, found.stalled) == (1, 0, 0, 0, 0)


async def fill_ended(store: SurrealStore) -> None:
    """More of them, in every other status."""
    for number, status in enumerate(("processing", "success", "failed")):
        await write(store, f"[{number + 10}]", f", status: '{status}'")


async def test_they_are_neither_reclaimed_nor_released_nor_deleted(migrated: SurrealStore) -> None:
    await fill(migrated, ", status: 'processing', runner_id: 'r'")
    await fill_ended(migrated)
    before = await rows(migrated)
    (job,) = await migrated.add([NewJob(path="/b", backend="api")])
    claim = await migrated.claim({"api": 1}, "r")
    await migrated.settle([settlement_of(each, Delivered()) for each in claim])
    assert await migrated.reclaim({}) == []
    assert await migrated.overdue(["r"]) == []
    assert await migrated.release("r", keep=[]) == []
    assert await migrated.clear_matching(JobFilter(), limit=1) == 1
    table = JobTable(backend="api", table="job", keep_success=0.0, keep_failed=0.0)
    migrated._tables = (table,)
    assert await migrated.prune() == 0
    fates = [each.fate for each in await clear(migrated, ["job:[]", "job:['a', 1]", job.id])]
    assert fates == ["not_found"] * 3
    assert await rows(migrated) == before


async def test_check_counts_them_and_says_how_to_delete_them(migrated: SurrealStore) -> None:
    before = await fill(migrated)
    await write(migrated, "⟨[1]⟩")
    await migrated.beat("r", RunnerInfo())
    (found,) = [each for each in await migrated.check() if "as key" in each.problem]
    assert found.problem.startswith(f"{len(before)} rows have")
    assert not found.stops_jobs
    await migrated._connection.write(found.fix.partition("then: ")[2])
    assert await rows(migrated) == []
    assert await migrated.count(JobFilter()) == 1
    assert not [each for each in await migrated.check() if "as key" in each.problem]


DUE = {
    "table": "job",
    "n": "",
    "start": "",
    "group": "claim_group < 1",
    "from": " AND run_at <= $now",
    "within": "",
}

SELECTIONS = {
    "due": surql("claim_due_ids", but=" AND id < job:[]", **DUE),
    "due, some of them passed over": surql(
        "claim_due_ids",
        but=" AND id < job:[] AND id NOT IN $skipped",
        **DUE,
    ),
    "first": surql("fragments/first_pending_embedded", table="job", group="claim_group < 1"),
    "held": surql("release_held_ids", table="job"),
}


@pytest.mark.parametrize("statement", SELECTIONS.values(), ids=SELECTIONS)
async def test_the_condition_that_leaves_them_out_keeps_the_index(
    migrated: SurrealStore, statement: str
) -> None:
    skipped = [RecordID("job", "x")]
    bindings = {"now": datetime.now(UTC), "slots": 5, "runner": "r", "skipped": skipped}
    select = statement.strip().strip("()")
    (plan,) = await migrated._connection.read(f"{select} EXPLAIN", **bindings)
    assert "sp00ky_claim" in str(plan)
    assert "TableScan" not in str(plan)
    assert "Iterate Table" not in str(plan)


@pytest.mark.parametrize("table", ["select", "my-table", "table"])
async def test_they_are_told_apart_in_a_table_of_any_name(
    make_store: Callable[..., SurrealStore], url: str, table: str
) -> None:
    store = make_store(url, (JobTable(backend="api", table=table),))
    await store.open()
    await store.migrate()
    for key in ("[7]", "{ a: 1 }", "x", "1"):
        await write(store, key, table=table)
    assert len(await claimed(store, 2)) == await store.count(JobFilter()) == 2
    assert len(await rows(store, table)) == 2
    await store.close()
