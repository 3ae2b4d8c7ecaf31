"""Answers to attempts: what a test may say, and what it is to the job."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from sp00ky_core.errors import UnknownRoute
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.sync import SyncOutbox
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
    with pytest.raises(TypeError, match="a response must be JSON: /a: its type is object, which"):
        await perform_jobs(outbox, responses={"/spookify": {"a": object()}})


async def test_what_is_due_ends_and_the_rest_waits(outbox: Outbox) -> None:
    due = await outbox.run("api", "/spookify", {"id": "1"})
    later = await outbox.run("api", "/spookify", delay=timedelta(hours=1))
    (job,) = await perform_jobs(outbox, responses={"/spookify": {"spooky": "1"}})
    assert (job.id, job.status, job.result) == (due.id, "success", {"spooky": "1"})
    assert await outbox.get(due.id) == job
    assert (await outbox.get(later.id)).status == "pending"
    await outbox.reschedule(later.id, now=True)
    (job,) = await perform_jobs(outbox)
    assert (job.id, job.status) == (later.id, "success")
    assert await perform_jobs(outbox) == []


async def test_answers_are_given_for_any_spelling(outbox: Outbox) -> None:
    await outbox.run("api", "POST /spookify")
    (job,) = await perform_jobs(outbox, responses={"POST /spookify": {"spooky": "1"}})
    assert (job.path, job.result) == ("/spookify", {"spooky": "1"})


async def test_retries_wait_for_nothing(outbox: Outbox) -> None:
    await outbox.run("api", "/spookify", max_retries=100, retry_strategy="exponential")
    (job,) = await perform_jobs(outbox, responses={"/spookify": 503})
    assert (job.status, job.retries, job.errors[-1].attempt) == ("failed", 100, 101)
    assert (await outbox.stats())["api"].breaker.state == "closed"


async def test_what_a_response_raises_is_the_tests(outbox: Outbox) -> None:
    def fail(job: Job) -> None:
        raise KeyError(job.path)

    def stop(_job: Job) -> None:
        pytest.fail("stop")

    added = await outbox.run("api", "/spookify", max_retries=0)
    with pytest.raises(KeyError, match="/spookify"):
        await perform_jobs(outbox, responses={"/spookify": fail})
    with pytest.raises(pytest.fail.Exception):
        await perform_jobs(outbox, responses={"/spookify": stop})
    job = await outbox.get(added.id)
    assert (job.status, job.retries, job.errors) == ("pending", 0, ())


async def test_a_misspelt_response_is_refused(outbox: Outbox) -> None:
    with pytest.raises(UnknownRoute, match="did you mean '/spookify'"):
        await perform_jobs(outbox, responses={"/spookfy": None})


def test_synchronous_code_calls_it(sync_outbox: SyncOutbox) -> None:
    added = sync_outbox.run("api", "/spookify", autocommit=True)
    (job,) = perform_jobs(sync_outbox, responses={"/spookify": {"spooky": "1"}})
    assert (job.id, job.result) == (added.id, {"spooky": "1"})
    assert sync_outbox.get(added.id) == job


async def test_an_open_transaction_s_jobs_are_performed_as_copies(outbox: Outbox) -> None:
    async with outbox.store.transaction() as transaction:  # type: ignore[attr-defined]  # the memory store's
        added = await outbox.run("api", "/spookify", connection=transaction)
        (job,) = await perform_jobs(outbox, connection=transaction)
        assert (job.id, job.status) == (added.id, "success")
        assert await outbox.find(connection=transaction) == [added]
        assert await perform_jobs(outbox) == []
