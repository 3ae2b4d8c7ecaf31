"""A runner counts its attempts, and the failures of its store."""

import asyncio
import logging
from typing import Any

import pytest
from tests.core.runner.throttling import Backend, throttled

from sp00ky_conformance import FaultyStore
from sp00ky_conformance.faults import Fault
from sp00ky_core.errors import SchemaError, StoreUnavailable
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.runner.counters_and_log import MOST, MOST_OF, WINDOW, Observer
from sp00ky_core.runner.liveness import HANGING, Claims


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


OUTCOMES: dict[str, Outcome] = {
    "ok": Delivered(code=201),
    "broken": Undelivered(code=500, name="http_status", reason="boo"),
    "slow": Undelivered(code=429, name="throttled", retry_after=60),
}


async def test_failures_of_the_store_are_counted_and_no_runner_is_ready_then(make_bench: Any) -> None:
    bench = await make_bench()
    failing, failed = True, asyncio.Event()

    def fault(method: str) -> Fault | None:
        if method == "claim" and failing:
            failed.set()
            return Fault()
        return None

    async with bench.runner(FaultyStore(bench.store, fault)) as runner:
        job = await bench.add()
        await failed.wait()
        while not runner.observer.counters.store_errors:  # noqa: ASYNC110  # the runner's next step
            await asyncio.sleep(0)
        assert not runner.is_ready
        failing = False
        await bench.ended(job)
        assert runner.is_ready


async def test_no_runner_is_ready_while_its_claim_hangs(make_bench: Any) -> None:
    bench = await make_bench()
    clock, lock = Clock(), asyncio.Event()
    claims = Claims(clock)
    with claims.under_way():
        assert claims.go_through
        clock.now += HANGING
        assert not claims.go_through
    assert claims.go_through

    def fault(method: str) -> Fault | None:
        return Fault(held_until=lock, fails=False) if method == "claim" else None

    async with bench.runner(FaultyStore(bench.store, fault)) as runner:
        assert runner.is_ready
        while (since := runner._claimer.claims.since) is None:  # noqa: ASYNC110  # its next step
            await asyncio.sleep(0)
        runner._claimer.claims.since = since - HANGING
        assert not runner.is_ready
        lock.set()


async def test_many_bad_rows_are_summed_up(make_bench, caplog: pytest.LogCaptureFixture) -> None:
    bench = await make_bench()
    jobs = [await bench.add("//evil.test/x") for _ in range(MOST + 7)]
    async with bench.runner():
        for job in jobs:
            await bench.ended(job)
    told = [record.getMessage() for record in caplog.records if "invalid_path" in record.getMessage()]
    assert len(told) == MOST + 1
    assert told[-1] == f"7 more jobs of api failed within {WINDOW:.0f} s: invalid_path"


async def test_retries_are_sampled(make_bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    most = MOST_OF["retry"]
    bench = await make_bench(Backend([Undelivered(name="reset") for _ in range(most + 3)]), breaker=None)
    async with bench.runner():
        await bench.ended(await bench.add(max_retries=most + 3))
    about = [record.getMessage() for record in caplog.records if "reset" in record.getMessage()]
    assert len(about) == most + 1
    assert about[-1] == f"3 more jobs of api are retried within {WINDOW:.0f} s: reset"


async def test_each_attempt_is_logged_where_that_is_wanted(
    make_bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    echo = Undelivered(name="http_status", code=500, reason="HTTP 500: you sent p4yload-that-no-log-has")
    bench = await make_bench(Backend([echo, throttled()]), breaker=None)
    job = await bench.add(payload={"secret": "p4yload-that-no-log-has"})
    async with bench.runner(log_attempts=True) as runner:
        await bench.ended(job)
    attempts = [vars(record) for record in caplog.records if getattr(record, "event", "") == "attempt"]
    keys = ("job_id", "backend", "path", "attempt", "epoch", "outcome", "code", "runner_id")
    assert [tuple(attempt[key] for key in keys) for attempt in attempts] == [
        (job.id, "api", "/spookify", 1, 1, "retry", 500, runner.runner_id),
        (job.id, "api", "/spookify", 2, 2, "throttled", 429, runner.runner_id),
        (job.id, "api", "/spookify", 2, 3, "success", 200, runner.runner_id),
    ]
    assert all(attempt["duration_ms"] >= 0 for attempt in attempts)
    assert "is delivered: attempt 2: HTTP 200 in" in caplog.text
    assert "p4yload" not in caplog.text
    assert "p4yload" not in repr(attempts)


GONE = StoreUnavailable(store="memory://", problem="it is gone")


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = 100.0
    return clock


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage()) for record in caplog.records if record.levelno >= logging.INFO
    ]


def test_an_outage_is_logged_once_and_so_is_its_end(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = Observer(clock)
    log.worked()
    assert lines(caplog) == []
    log.failed("no beat", GONE)
    for _ in range(5):
        clock.now += 1
        log.failed("can't claim", GONE)
    log.worked()
    log.worked()
    lost, back = lines(caplog)
    text = f"the database can't be reached, jobs wait and outcomes are kept: no beat: {GONE}"
    assert lost == ("WARNING", text)
    assert back == ("WARNING", "the database is back after 5.0 s")
    assert [getattr(record, "event", "") for record in caplog.records if record.levelno >= logging.INFO] == [
        "store_lost",
        "store_back",
    ]


def test_the_next_outage_is_another(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = Observer(clock)
    for _ in range(2):
        log.failed("no beat", GONE)
        log.worked()
    assert len(lines(caplog)) == 4


def test_the_same_error_is_logged_once_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = Observer(clock)
    caplog.set_level(logging.INFO)
    rights = [SchemaError(store="here", problem=f"may not write {table}") for table in ("job", "runner")]
    for _ in range(61):
        for doing, error in zip(("can't claim", "no beat"), rights, strict=True):
            log.failed(doing, error)
        clock.now += 1.0
    assert [message.partition(":")[0] for message in caplog.messages] == ["can't claim", "no beat"] * 2
    assert log.counters.store_errors == 122
