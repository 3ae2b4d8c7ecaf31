"""What plugins, strategies and transports answer, as settlements."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from sp00ky_core.config import RetryConfig
from sp00ky_core.hookspecs import hookimpl
from sp00ky_core.job import JobStatus
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.retry import RetryPolicy


@pytest.mark.parametrize("error", [KeyError, asyncio.CancelledError])
async def test_a_strategy_that_fails_says_so_and_counts_as_the_cap(make_bench, caplog, error) -> None:
    def broken(_policy: RetryPolicy, _n: int) -> float:
        raise error("a bug")

    plugin = SimpleNamespace(sp00ky_register_retry_strategies=hookimpl(lambda: {"broken": broken}))
    retry = RetryConfig(cap=60, jitter=0)
    bench = await make_bench(lambda attempt: Undelivered(name="timeout"), plugin, retry=retry)
    job = await bench.add(retry_strategy="broken")
    async with bench.runner():
        waiting = await bench.until(job, lambda now: now.retries == 1)
    assert (waiting.run_at - waiting.updated_at).total_seconds() == 60
    assert any(record.exc_info and "broken" in record.message for record in caplog.records)


def _raise(error: BaseException) -> None:
    raise error


WRONG_DECISIONS = {
    "classify: True": {"sp00ky_classify_outcome": lambda: True},
    "classify: no text": {"sp00ky_classify_outcome": lambda: Undelivered(name="x", reason=None)},
    "policy: a dict": {"sp00ky_retry_policy": lambda: {"base": 1}},
    "observer: cancelled": {"sp00ky_attempt_started": lambda: _raise(asyncio.CancelledError())},
}


@pytest.mark.parametrize("hooks", WRONG_DECISIONS.values(), ids=WRONG_DECISIONS)
async def test_a_plugin_that_answers_nonsense_costs_no_job(make_bench, hooks: dict[str, Any]) -> None:
    bench = await make_bench(
        lambda attempt: Undelivered(name="timeout") if attempt.number == 1 else Delivered(),
        concurrency=2,
        breaker=None,  # five timeouts would open it
    )
    plugin = SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})
    bench.plugins.register(plugin, name="nonsense", distribution="a-test")
    jobs = [await bench.add() for _ in range(5)]
    async with bench.runner():
        for job in jobs:
            assert (await bench.ended(job)).status is JobStatus.SUCCESS


@pytest.mark.parametrize("max_retries", [0, 1])
async def test_no_plugin_allows_more_attempts_than_the_row(make_bench, max_retries: int) -> None:
    bench = await make_bench(lambda _attempt: Undelivered(code=500, name="http_status"))
    generous = hookimpl(lambda: RetryPolicy(max_retries=9, base=0))
    bench.plugins.register(
        SimpleNamespace(sp00ky_retry_policy=generous), name="generous", distribution="a-test"
    )
    job = await bench.add(max_retries=max_retries)
    async with bench.runner():
        done = await bench.ended(job)
    assert (done.status, len(bench.transport.attempts)) == (JobStatus.FAILED, 1 + max_retries)
