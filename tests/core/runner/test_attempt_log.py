"""Failed attempts in the log: a line for each, and many of a kind in one."""

import pytest
from tests.core.runner.throttling import Backend, throttled

from sp00ky_core.job.outcome import Undelivered
from sp00ky_core.runner.attempt_log import MOST, MOST_OF, WINDOW


async def test_many_bad_rows_are_summed_up(make_bench, caplog: pytest.LogCaptureFixture) -> None:
    bench = await make_bench()
    jobs = [await bench.add("//evil.test/x") for _ in range(MOST + 7)]
    async with bench.runner():
        for each in jobs:
            await bench.ended(each)
    told = [record.getMessage() for record in caplog.records if "invalid_path" in record.getMessage()]
    assert len(told) == MOST + 1
    assert told[-1] == f"7 more jobs of api failed within {WINDOW:.0f} s: invalid_path"


async def test_throttled_answers_are_summed_up_in_the_log(
    make_bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench = await make_bench(Backend([throttled() for _ in range(8)]))
    async with bench.runner():
        await bench.ended(await bench.add())
    lines = [record.getMessage() for record in caplog.records]
    about = [line for line in lines if "throttled" in line]
    assert "is deferred for" in about[0]
    assert "attempt" not in about[0]
    assert about[1:] == [f"7 more jobs of api are deferred within {WINDOW:.0f} s: throttled"]
    assert len([line for line in lines if "left alone" in line]) == 1


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
    assert [tuple(each[key] for key in keys) for each in attempts] == [
        (job.id, "api", "/spookify", 1, 1, "retry", 500, runner.runner_id),
        (job.id, "api", "/spookify", 2, 2, "throttled", 429, runner.runner_id),
        (job.id, "api", "/spookify", 2, 3, "success", 200, runner.runner_id),
    ]
    assert all(each["duration_ms"] >= 0 for each in attempts)
    assert "is delivered: attempt 2: HTTP 200 in" in caplog.text
    assert "p4yload" not in caplog.text
    assert "p4yload" not in repr(attempts)
