"""Rows whose key is an array or an object are no jobs: nothing touches them, or is held up by them."""

import attrs

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobFilter, JobTable
from sp00ky_core.stores.transitions import clear
from sp00ky_store_surreal import SurrealStore

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
    await migrated.settle([settlement(taken, Delivered()) for taken in claim])
    assert await migrated.reclaim({}) == []
    assert await migrated.overdue(["r"]) == []
    assert await migrated.release("r", keep=[]) == []
    assert await migrated.clear_matching(JobFilter(), limit=1) == 1
    table = JobTable(backend="api", table="job", keep_success=0.0, keep_failed=0.0)
    migrated.options = attrs.evolve(migrated.options, tables=(table,))
    assert await migrated.prune() == 0
    fates = [result.fate for result in await clear(migrated, ["job:[]", "job:['a', 1]", job.id])]
    assert fates == ["not_found"] * 3
    assert await rows(migrated) == before
