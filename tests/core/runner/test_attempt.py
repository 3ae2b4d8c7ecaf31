"""Rows that can't be delivered end as failed; every other job goes on."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sp00ky_core.config import BreakerConfig
from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt

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


async def test_a_transport_that_raises_costs_an_attempt_and_not_the_runner(make_bench, caplog) -> None:
    def fail(_attempt: Attempt) -> Outcome:
        raise RuntimeError("a bug")

    bench = await make_bench(fail)
    job = await bench.add(max_retries=1)
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, [error.name for error in done.errors]) == (JobStatus.FAILED, ["outcome_unknown"] * 2)
    assert any(record.exc_info for record in caplog.records)


async def test_a_transport_that_does_not_keep_to_the_timeout_is_cut_off(make_bench, monkeypatch) -> None:
    monkeypatch.setattr("sp00ky_core.runner.holdings.OVERDUE_AFTER", 0.05)
    never = asyncio.Event()

    async def hang_once(attempt: Attempt) -> Outcome:
        if attempt.number == 1:
            await never.wait()
        return Delivered()

    bench = await make_bench(hang_once, timeout=0.05, concurrency=1)
    job = await bench.add()
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, [error.name for error in done.errors]) == (JobStatus.SUCCESS, ["timeout"])


async def test_a_job_that_has_expired_is_not_sent(make_bench) -> None:
    bench = await make_bench()
    past = datetime.now(UTC) - timedelta(seconds=1)
    expired, held_back = (
        await bench.add(expires_at=past, ordering_key="k", max_retries=5),
        await bench.add(expires_at=past + timedelta(days=1), ordering_key="k"),
    )
    async with bench.runner(poll=3_600):
        done = await bench.ended(expired)
        assert (await bench.ended(held_back)).status is JobStatus.SUCCESS
    assert (done.status, done.retries, [error.name for error in done.errors]) == ("failed", 0, ["expired"])
    assert [attempt.job.id for attempt in bench.transport.attempts] == [held_back.id]


async def test_a_probe_that_has_expired_leaves_the_next_one_to_another(make_bench) -> None:
    outcomes = [Undelivered(name="connect")]
    bench = await make_bench(
        lambda _attempt: outcomes.pop() if outcomes else Delivered(),
        breaker=BreakerConfig(failures=1, interval=0.01),
    )
    async with bench.runner():
        await bench.until(await bench.add(), lambda now: now.retries or now.is_terminal)
        done = await bench.ended(await bench.add(expires_at=datetime.now(UTC), priority=3))
        assert done.status is JobStatus.FAILED
        assert (await bench.ended(await bench.add())).status is JobStatus.SUCCESS


@pytest.mark.parametrize("check_rows", [False, True])
async def test_a_row_that_breaks_the_contract_is_sent_unless_rows_are_checked(
    make_bench, check_rows: bool
) -> None:
    body = {"content": {"application/json": {"schema": {"properties": {"n": {"type": "integer"}}}}}}
    bench = await make_bench(check_rows=check_rows, document={"/n": {"put": {"requestBody": body}}})
    named = [await bench.add(path, payload={"n": "text"}, max_retries=0) for path in ("/n", "PUT /n")]
    twice = await bench.add("/n", payload=JsonText(b'{"n": "text", "n": 1}'), max_retries=0)
    async with bench.runner():
        ended = [await bench.ended(job) for job in (*named, twice)]
    if check_rows:
        assert [(job.errors[0].name, job.errors[0].reason.split(":")[0]) for job in ended] == [
            *[("invalid_payload", "/n")] * 2,
            ("invalid_payload", "the key 'n' is there twice; keep one"),
        ]
    assert len(bench.transport.attempts) == (0 if check_rows else 3)


@pytest.mark.parametrize("path", ["GET /nope", "noSuchOperation", "repos/get", "DELETE /spookify"])
async def test_what_could_be_an_operation_of_a_newer_document_is_an_unknown_route(
    make_bench, path: str
) -> None:
    bench = await make_bench()
    job = await bench.add(path, max_retries=0)
    async with bench.runner():
        done = await bench.ended(job)
    assert [(error.code, error.name) for error in done.errors] == [(0, "unknown_route")]
    assert ("did you mean" in done.errors[0].reason) is (path == "DELETE /spookify")
