"""Assertions on what was enqueued, and what a failed one says."""

from datetime import timedelta

import pytest

from sp00ky_core.errors import UnknownRoute
from sp00ky_core.job import NewJob
from sp00ky_core.outbox import Outbox
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import assert_enqueued, refute_enqueued


class Connection:
    """Stands for a database's: the memory store knows one by what it can."""

    def execute(self) -> None:
        """See any driver."""


async def test_what_was_enqueued_is_found(outbox: Outbox) -> None:
    one = await outbox.run("api", "/spookify", {"id": "1", "n": 1}, delay=timedelta(minutes=5))
    two = await outbox.run("api", "/spookify", {"id": "2", "n": 1}, connection=Connection())
    await outbox.run("shop", "/order")
    delay = timedelta(minutes=5)
    assert await assert_enqueued(outbox, "api", "/spookify", {"id": "1"}, delay=delay) == [one]
    assert await assert_enqueued(outbox, "api", "/spookify", payload={"n": 1}, count=2) == [two, one]
    assert await assert_enqueued(outbox, "api", "/spookify", count=2, connection=Connection()) == [two, one]
    await assert_enqueued(outbox, "api", "/spookify", payload={"n": 2}, count=0)
    await refute_enqueued(outbox, "api", "/spookify", payload={"n": 2})
    await refute_enqueued(outbox, path="/boo")
    with pytest.raises(AssertionError, match="expected no job like api /spookify"):
        await refute_enqueued(outbox, "api", "POST /spookify")
    with pytest.raises(AssertionError, match="expected 1 job like api /spookify, found 2"):
        await assert_enqueued(outbox, "api", "POST /spookify")


async def test_a_failure_says_what_was_and_what_is_nearest(outbox: Outbox) -> None:
    await outbox.run("shop", "/order", {"id": "3"})
    near = await outbox.run("api", "/spookify", {"id": "1", "n": 1}, assigned_to="thread:a")
    far = await outbox.run("api", "/spookify", {"id": "2", "n": 2})
    with pytest.raises(AssertionError) as caught:
        await assert_enqueued(outbox, "api", "/spookify", payload={"id": "1", "n": 2}, assigned_to="thread:a")
    text = str(caught.value).splitlines()
    assert text[0] == ('expected 1 job like api /spookify {"id":"1","n":2} assigned_to=\'thread:a\', found 0')
    assert text[1:3] == [f"the nearest one is {near.id}:", "  payload /n is 1, expected 2"]
    assert text[3] == "enqueued, newest first (3):"
    assert [far.id in text[4], near.id in text[5], "shop /order" in text[6]] == [True] * 3
    assert len(text) == 7


async def test_the_nearest_one_is_of_the_same_route(outbox: Outbox) -> None:
    near = await outbox.run("api", "/spookify", {"a": 1, "b": 1, "c": 1})
    await outbox.run("api", "/boo", {"a": 2, "b": 2, "c": 2})
    with pytest.raises(AssertionError, match=f"the nearest one is {near.id}"):
        await assert_enqueued(outbox, "api", "/spookify", payload={"a": 2, "b": 2, "c": 2})


async def test_a_failure_of_one_that_must_not_be(outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify")
    with pytest.raises(AssertionError) as caught:
        await refute_enqueued(outbox, "api", "/spookify")
    assert str(caught.value) == (
        f"expected no job like api /spookify, found 1\n  api /spookify {{}} (pending, {job.id})"
    )
    with pytest.raises(AssertionError, match=r"^expected no job, found 1\n"):
        await refute_enqueued(outbox)


async def test_an_older_job_counts_however_many_are_newer(outbox: Outbox) -> None:
    await outbox.run("api", "/spookify", {"id": "first"})
    await outbox.run_many("api", [NewJob(path="/spookify")] * 1_000)
    await assert_enqueued(outbox, "api", "/spookify", payload={"id": "first"})
    with pytest.raises(AssertionError, match="expected no job like"):
        await refute_enqueued(outbox, "api", "/spookify", payload={"id": "first"})


async def test_where_nothing_is_seen_the_connection_is_asked_for(outbox: Outbox) -> None:
    with pytest.raises(AssertionError, match="nothing was enqueued; jobs of an open transaction"):
        await assert_enqueued(outbox, "api", "/spookify")
    with pytest.raises(AssertionError, match=r"nothing was enqueued$"):
        await assert_enqueued(outbox, "api", "/spookify", connection=Connection())


async def test_a_misspelt_route_is_not_taken_for_nothing(outbox: Outbox) -> None:
    with pytest.raises(UnknownRoute):
        await refute_enqueued(outbox, "api", "/spookfy")


def test_synchronous_code_calls_them(sync_outbox: SyncOutbox) -> None:
    job = sync_outbox.run("api", "/spookify", {"id": "1"}, connection=Connection())
    assert assert_enqueued(sync_outbox, "api", "/spookify", payload={"id": "1"}) == [job]
    assert assert_enqueued(sync_outbox, "api", "/spookify", connection=Connection()) == [job]
    refute_enqueued(sync_outbox, "shop")
    with pytest.raises(AssertionError, match="payload /id is '1', expected '2'"):
        assert_enqueued(sync_outbox, "api", "/spookify", payload={"id": "2"}, connection=Connection())
    with pytest.raises(AssertionError, match="found 1"):
        refute_enqueued(sync_outbox, connection=Connection())
