"""Answers to attempts: what a test may say, and what it is to the job."""

from typing import Any

import attrs
import pytest

from sp00ky_core.hookspecs import hookimpl
from sp00ky_core.job import Job
from sp00ky_core.outbox import Outbox
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.testing import perform_jobs


@attrs.frozen
class Spooky:
    n: int


async def answer(job: Job) -> dict[str, Any]:
    return {"got": job.payload["id"]}


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (None, None),
        ({"a": 1}, {"a": 1}),
        ([1, 2], [1, 2]),
        ("text", "text"),
        (True, True),
        (Spooky(1), {"n": 1}),
        (204, None),
        (Delivered(result=1), 1),
        (lambda job: {"got": job.payload["id"]}, {"got": "1"}),
        (answer, {"got": "1"}),
        ((), None),
        ((500, {"a": 1}), {"a": 1}),
        ((500, answer), {"got": "1"}),
    ],
)
async def test_a_success(outbox: Outbox, response: Any, result: Any) -> None:
    await outbox.run("api", "/spookify", {"id": "1"})
    (job,) = await perform_jobs(outbox, responses={"/spookify": response})
    assert (job.status, job.result) == ("success", result)


async def test_a_plugin_gets_a_result_as_over_http(outbox: Outbox) -> None:
    given: list[Any] = []

    class Looking:
        @hookimpl
        def sp00ky_classify_outcome(self, outcome: Outcome) -> None:
            given.append(outcome.result)

    outbox.plugins.register(Looking(), name="looking", distribution="looking")
    await outbox.run("api", "/spookify", {"id": "1"})
    await perform_jobs(outbox, responses={"/spookify": {"ok": False}})
    assert given == [b'{"ok":false}']


@pytest.mark.parametrize(
    ("response", "code", "name", "retries"),
    [
        (500, 500, "http_status", 2),
        (422, 422, "http_status", 0),
        (Undelivered(name="timeout"), 0, "timeout", 2),
        (lambda _: Undelivered(name="connect", retryable=False), 0, "connect", 0),
        ((500, 502), 502, "http_status", 2),
    ],
)
async def test_a_failure(outbox: Outbox, response: Any, code: int, name: str, retries: int) -> None:
    await outbox.run("api", "/spookify")
    (job,) = await perform_jobs(outbox, responses={"/spookify": response})
    assert (job.status, job.retries) == ("failed", retries)
    assert (job.errors[-1].code, job.errors[-1].name) == (code, name)


async def test_answers_in_turn_are_each_job_s_own(outbox: Outbox) -> None:
    for _ in range(2):
        await outbox.run("api", "/spookify")
    jobs = await perform_jobs(outbox, responses={"/spookify": (500, {"a": 1})})
    assert [(job.retries, job.result) for job in jobs] == [(1, {"a": 1})] * 2


async def test_a_result_that_is_no_json_is_the_tests_fault(outbox: Outbox) -> None:
    await outbox.run("api", "/spookify")
    with pytest.raises(Exception, match="its type is object, which has no JSON form"):
        await perform_jobs(outbox, responses={"/spookify": {"a": object()}})
