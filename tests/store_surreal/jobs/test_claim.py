"""Rows so large that their write takes seconds: a claim of them is cut off, and costs no other row."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.job.job import NewJob
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection import reconnecting_pool
from sp00ky_store_surreal.connection.conflict_retries import Lane
from sp00ky_store_surreal.errors import TookTooLong
from sp00ky_store_surreal.jobs.claim_precautions import SHARE, BatchSize

ENTRIES = 30_000  # as the statement says


@pytest.fixture
def url(surreal_url: str) -> str:
    return surreal_url


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's server answers nobody for seconds while it makes a huge row."""
    monkeypatch.setattr(reconnecting_pool, "TICK", 30.0)


async def huge(store: SurrealStore, number: int, **fields: Any) -> None:
    """Rows as a record user may write them, by a statement of under 1 KB."""
    made = (
        "LET $row = type::record('job', $key); CREATE $row CONTENT $fields RETURN NONE;"
        "UPDATE $row SET errors = (<array>0..30000).map(|$n| { a: $n }) RETURN NONE"
    )
    for place in range(number):
        row = {"path": "/huge", "payload": "{}", **fields}
        await store._connection.write(made, key=f"huge{place}", fields=row)


def cut_off_where_many(store: SurrealStore, monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let the database cut off each claim of more rows than that; how many each claim asked for."""
    asked: list[int] = []
    ask = store._connection._link.ask

    async def slow(statement: str, bindings: Any, *, lane: Lane, resend: bool) -> list[Any]:
        if lane is Lane.CLAIM and "slots0" in bindings:
            asked.append(bindings["slots0"])
            if asked[-1] > most:
                raise TookTooLong(store="", problem="it exceeded the timeout")
        return await ask(statement, bindings, lane=lane, resend=resend)

    monkeypatch.setattr(store._connection._link, "ask", slow)
    return asked


async def test_after_a_claim_that_was_cut_off_the_next_asks_for_fewer(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated.add([NewJob(path="/a", backend="api") for _ in range(200)])
    asked = cut_off_where_many(migrated, monkeypatch, 20)
    claimed = {job.id for _ in range(30) for job in await migrated.claim({"api": 100}, "r")}
    assert len(claimed) == 200
    assert asked[:2] == [100, 100 // SHARE]


async def test_one_that_is_always_cut_off_is_claimed_by_itself(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = await migrated.add([NewJob(path="/a", backend="api") for _ in range(3)])
    cut_off_where_many(migrated, monkeypatch, 0)
    claimed = {job.id for _ in range(3) for job in await migrated.claim({"api": 100}, "r")}
    assert claimed == {job.id for job in jobs}


async def test_entries_that_no_runner_keeps_go_with_the_claim(migrated: SurrealStore) -> None:
    await huge(migrated, 3)
    (good,) = await migrated.add([NewJob(path="/a", backend="api")])
    claimed = {job.id for _ in range(3) for job in await migrated.claim({"api": 10}, "r")}
    assert claimed == {good.id, "job:huge0", "job:huge1", "job:huge2"}
    (kept,) = await migrated._connection.read("SELECT VALUE errors.a FROM job:huge1")
    assert kept == [[0, *range(ENTRIES - 49, ENTRIES)]]


async def test_a_client_delays_a_huge_row(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE run_at ON job TYPE option<datetime> DEFAULT time::now()"
    )
    await huge(migrated, 1, delay=3_600_000)
    assert [await migrated.claim({"api": 10}, "r") for _ in range(2)] == [[], []]
    (kept,) = await migrated._connection.read("SELECT VALUE array::len(errors) FROM job:huge0")
    assert kept == [50]


async def test_what_is_read_of_a_huge_row_is_bounded(migrated: SurrealStore) -> None:
    await huge(migrated, 1)
    rows = await migrated._connection.read(
        "SELECT VALUE 1 FROM job:huge0 WHERE array::len(errors) = $number", number=ENTRIES
    )
    assert rows == [[1]]
    assert len((await migrated.get("job:huge0")).errors) == 50


async def test_few_huge_rows_at_a_time_are_reclaimed(migrated: SurrealStore) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    await huge(migrated, 7, status="processing", lease_until=past, lease_epoch=1, max_retries=5)
    rounds = [len(await migrated.reclaim({})) for _ in range(3)]
    assert rounds == [5, 2, 0]
    (job, *_) = await migrated.claim({"api": 1}, "r")
    assert [error.name for error in job.errors[-1:]] in ([], ["outcome_unknown"])


def test_sizes_grow_again() -> None:
    size = BatchSize()
    assert size.of(100) == 100
    size.took_too_long(100)
    assert size.of(100) == 100 // SHARE
    size.took_too_long(100)
    size.took_too_long(100)
    assert size.is_one
    for _ in range(7):
        size.went_well()
    assert size.of(100) == 100
