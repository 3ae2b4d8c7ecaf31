"""Rows that can't be delivered end as failed; every other job goes on."""

from __future__ import annotations

import pytest

from sp00ky_core.job import JobStatus

HOSTILE_PATHS = [
    "@evil.test/x",
    "//evil.test/x",
    "/../admin",
    "/%2e%2e/admin",
    "/a\r\nX: y",
    "http://evil.test/",
    "\\\\evil.test",
]


@pytest.mark.parametrize("path", HOSTILE_PATHS)
async def test_a_path_that_leads_away_is_never_requested(make_bench, path: str) -> None:
    bench = await make_bench()
    job, good = await bench.add(path, max_retries=5), await bench.add()
    async with bench.runner():
        done = await bench.ended(job)
        assert (await bench.ended(good)).status is JobStatus.SUCCESS
    assert (done.status, [(error.code, error.name) for error in done.errors]) == (
        JobStatus.FAILED,
        [(0, "invalid_path")],
    )
    assert bench.paths() == ["/spookify"]


async def test_an_unknown_route_is_retried_for_a_newer_runner_may_know_it(make_bench) -> None:
    bench = await make_bench()
    job = await bench.add("/spookfy", max_retries=2)
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, [error.name for error in done.errors]) == (JobStatus.FAILED, ["unknown_route"] * 3)
    assert bench.transport.attempts == []


@pytest.mark.parametrize(
    "fields",
    [
        {"path": None},
        {"path": "/spookify\0"},
        {"payload": None},
        {"payload": "no json"},
        {"payload": "[1]"},
        {"retries": -5},
        {"max_retries": 10**12},
        {"max_retries": -1},
        {"retry_strategy": "sometimes"},
        {"timeout": -1},
    ],
    ids=str,
)
async def test_a_malformed_row_fails_and_says_why(make_bench, fields: dict[str, object]) -> None:
    bench = await make_bench(timeout_overridable=True)
    row = {"path": "/spookify", "payload": "{}", "status": "pending"} | fields
    bench.store.write_row("job", row | {"id": "job:bad"})
    good = await bench.add()
    async with bench.runner():
        assert (await bench.ended(good)).status is JobStatus.SUCCESS
        bad = await bench.ended(await bench.store.get("job:bad"))
    assert bad.status is JobStatus.FAILED
    assert len(bad.errors) == 1
    assert bad.errors[0].name in {"invalid_row", "invalid_path", "invalid_payload"}
    assert next(iter(fields)) in bad.errors[0].reason
    assert bench.paths() == ["/spookify"]


@pytest.mark.parametrize(
    ("max_retries", "status", "attempts"), [(1, JobStatus.SUCCESS, 1), (0, JobStatus.FAILED, 0)]
)
async def test_a_processing_row_without_a_lease_is_reclaimed(
    make_bench, max_retries: int, status: JobStatus, attempts: int
) -> None:
    bench = await make_bench()
    row = {"id": "job:left", "path": "/spookify", "payload": "{}", "status": "processing"}
    bench.store.write_row("job", row | {"max_retries": max_retries})
    async with bench.runner():
        done = await bench.ended(await bench.store.get("job:left"))
    assert (done.status, [error.name for error in done.errors]) == (status, ["outcome_unknown"])
    assert len(bench.transport.attempts) == attempts
