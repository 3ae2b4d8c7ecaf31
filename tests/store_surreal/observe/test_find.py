"""Lookups use indexes."""

from typing import Any

import pytest

from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.ports import JobQuery
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.observe.find import part_of

PLAIN = "status = 'pending' AND claim_group = NONE AND ordering_at = NONE"

LOOKUPS = {
    "SELECT id, lease_until FROM job WHERE status = 'processing'": "sp00ky_claim",
    "SELECT VALUE id FROM job WHERE status = 'processing' AND runner_id = 'r'": "sp00ky_claim",
    "SELECT VALUE id FROM job WHERE status = 'processing' AND claim_group = 'k' LIMIT 1": "sp00ky_claim",
    "SELECT VALUE id FROM job WHERE status = 'pending' AND claim_group > 'k' LIMIT 8": "sp00ky_claim",
    "SELECT VALUE id FROM job WHERE status = 'pending' AND claim_group > 0 LIMIT 1": "sp00ky_claim",
    "SELECT VALUE id FROM job WHERE ordering_live = 'k'": "sp00ky_ordering",
    "SELECT VALUE id FROM job WHERE ordering_live > ''": "sp00ky_ordering",
    "SELECT id FROM job WHERE dedup_live IN ['a', 'b']": "sp00ky_dedup",
    "SELECT id, created_at FROM job WHERE assigned_to = thread:a AND path = '/a' "
    "ORDER BY created_at DESC, id DESC LIMIT 1": "sp00ky_parent",
}


@pytest.mark.parametrize("statement", LOOKUPS)
async def test_lookups_use_indexes(migrated: SurrealStore, statement: str) -> None:
    (plan,) = await migrated._connection.read(f"{statement} EXPLAIN")
    assert f"'index': '{LOOKUPS[statement]}'" in str(plan)


MANY = 5_001
"""From which on a page of a status is read from the range of all jobs."""

BATCH = 200
"""A transaction that is longer takes a server longer for each row."""

PARENTS = [
    "thread:a",
    "thread:7",
    "thread:⟨7⟩",
    "thread:⟨a b\\\\⟩",
    "thread:u'018f0000-0000-7000-8000-000000000000'",
]


@pytest.mark.parametrize("parent", PARENTS)
async def test_jobs_of_a_parent_are_found_by_its_index(url: str, parent: str, make_migrated: Any) -> None:
    store = await make_migrated(url)
    (job,) = await store.add([NewJob(path="/a", backend="api", assigned_to=parent)])
    part = part_of(store.options.tables[0], JobQuery(assigned_to=parent))
    statement = f"SELECT id, created_at FROM job {part.names['where']} ORDER BY created_at DESC LIMIT 1"  # noqa: S608
    (plan,) = await store._connection.read(f"{statement} EXPLAIN", **part.bindings)
    found = await store.find(JobQuery(assigned_to=parent))
    assert "'index': 'sp00ky_parent'" in str(plan)
    assert [row.id for row in found] == [job.id]


@pytest.mark.parametrize(("status", "count"), [(None, 10), (JobStatus.PENDING, MANY)])
async def test_a_page_is_read_from_ranges_of_the_newest(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch, status: JobStatus | None, count: int
) -> None:
    """Few rows are read for a page, however many there are; forwards, for backwards it takes files whole."""
    for start in range(0, count, BATCH):
        jobs = await shared.add([NewJob(path="/a", backend="api")] * min(BATCH, count - start))
    read, plans = shared._connection.read, list[str]()

    async def explain(statement: str, **bindings: object) -> list[object]:
        explained = statement.replace("LIMIT $limit)", "LIMIT $limit EXPLAIN)").replace("$found.id", "$found")
        if explained != statement:
            plans.append(str((await read(explained, **bindings))[-1]))
        return await read(statement, **bindings)

    monkeypatch.setattr(shared._connection, "read", explain)
    found = await shared.find(JobQuery(status=status, after=jobs[-1].id, limit=2))
    assert len(found) == 2
    assert plans
    for plan in plans:
        assert ">=d'" in plan
        assert "<=d'" in plan
        assert "'index': 'sp00ky_newest'" in plan
        assert "Forward" in plan


@pytest.mark.parametrize("query", [JobQuery(runner_id="r"), JobQuery(trace="a" * 32), JobQuery(path="/none")])
async def test_what_few_have_is_looked_for_once(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch, query: JobQuery
) -> None:
    """No walk along the newest, nor from their end, finds what isn't there before it has read everything."""
    await shared.add([NewJob(path="/a", backend="api")])
    read, statements = shared._connection.read, list[str]()

    async def noted(statement: str, **bindings: object) -> list[object]:
        statements.append(statement)
        return await read(statement, **bindings)

    monkeypatch.setattr(shared._connection, "read", noted)
    found = await shared.find(query)
    assert found == []
    assert len(statements) == 1


RANGES = {
    f"{PLAIN} AND run_at = NONE": "NONE, NONE, NONE]",
    f"{PLAIN} AND run_at >= d'2020-01-01T00:00:00Z'": "NONE, NONE] MoreThanEqual d'2020-01-01T00:00:00Z'",
    "status = 'pending' AND claim_group = 3 AND ordering_at = NONE AND run_at >= d'2020-01-01T00:00:00Z'": (
        "3, NONE] MoreThanEqual d'2020-01-01T00:00:00Z'"
    ),
    "status = 'pending' AND claim_group > 'k'": "] MoreThan 'k'",
}


@pytest.mark.parametrize("condition", RANGES)
async def test_a_server_reads_no_more_of_an_index_than_a_claim_asks_for(
    condition: str, shared: SurrealStore
) -> None:
    (plan,) = await shared._connection.read(f"SELECT VALUE id FROM job WHERE {condition} LIMIT 5 EXPLAIN")  # noqa: S608
    (scan,) = [child for child in plan["children"] if child["operator"] == "IndexScan"]
    assert scan["attributes"]["index"] == "sp00ky_claim"
    assert scan["attributes"]["limit"] == "5"
    assert RANGES[condition] in scan["attributes"]["access"]
