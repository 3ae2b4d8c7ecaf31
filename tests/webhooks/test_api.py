"""Endpoints and events, on every store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.webhooks.conftest import FAST, FILE, SETTINGS, Bench, Receiver

from sp00ky_core import Outbox, hookimpl, load_plugins
from sp00ky_core.errors import OptionInvalid, PayloadTooLarge
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import Is
from sp00ky_webhooks import Endpoint, EndpointNotFound, Webhooks
from sp00ky_webhooks.tables import ENDPOINTS, SUBSCRIPTIONS

URL = "http://127.0.0.1:8000/hooks"


async def test_an_endpoint_is_made_read_changed_and_deleted(bench: Bench) -> None:
    endpoints = bench.webhooks.endpoints
    made = await endpoints.create(
        id="one", url=URL, topics=["order.*"], assigned_to="tenant:7", headers={"X-Key": "k3y"}, rate="20/s"
    )
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert await endpoints.get("one") == made.endpoint
    assert (made.endpoint.topics, made.endpoint.headers, made.endpoint.rate) == (
        ("order.*",),
        ("X-Key",),
        "20/s",
    )
    await endpoints.create(url=URL)
    assert [one.id for one in await endpoints.list(assigned_to="tenant:7")] == ["one"]
    assert len(await endpoints.list()) == 2
    changed = await endpoints.update("one", topics=["#"], filter={"/paid": True}, rate=None)
    assert (changed.topics, changed.filter, changed.rate) == (("#",), {"/paid": True}, None)
    assert await endpoints.get("one") == changed
    disabled = await endpoints.disable("one", reason="asked for")
    assert (disabled.enabled, disabled.disabled_reason) == (False, "asked for")
    enabled = await endpoints.enable("one")
    assert (enabled.enabled, enabled.disabled_reason) == (True, None)
    await endpoints.delete("one")
    with pytest.raises(EndpointNotFound):
        await endpoints.get("one")


async def test_an_event_goes_to_those_that_want_it(bench: Bench) -> None:
    create = bench.webhooks.endpoints.create
    for name, topics in {
        "exact": ["order.paid"],
        "word": ["order.*"],
        "rest": ["#"],
        "other": ["user.*"],
    }.items():
        await create(id=name, url=URL, topics=topics)
    await create(id="filtered", url=URL, topics=["order.#"], filter={"/total": [7, 8]})
    await create(id="tenants", url=URL, topics=["#"], assigned_to="tenant:7")
    await create(id="off", url=URL, topics=["#"])
    await bench.webhooks.endpoints.disable("off")
    event = await bench.webhooks.publish("order.paid", {"total": 7})
    assert await paths(bench, event.deliveries) == ["/exact", "/filtered", "/rest", "/word"]
    event = await bench.webhooks.publish("order.paid", {"total": 9})
    assert await paths(bench, event.deliveries) == ["/exact", "/rest", "/word"]
    event = await bench.webhooks.publish("user.made", {"total": 7}, assigned_to="tenant:7")
    assert await paths(bench, event.deliveries) == ["/tenants"]
    job = await bench.outbox.get(event.deliveries[0])
    assert (job.assigned_to, job.max_retries) == ("tenant:7", 3)


async def paths(bench: Bench, deliveries: Any) -> list[str]:
    return sorted([(await bench.outbox.get(job_id)).path for job_id in deliveries])


async def test_an_event_that_is_published_twice_is_there_once(bench: Bench) -> None:
    await bench.webhooks.endpoints.create(id="one", url=URL)
    first = await bench.webhooks.publish("a.b", {"n": 1}, event_id="evt-1")
    again = await bench.webhooks.publish("a.b", {"n": 2}, event_id="evt-1")
    assert first.deliveries == again.deliveries
    assert len(await bench.webhooks.deliveries("one")) == 1


async def test_deliveries_are_sent_again(bench: Bench, receiver: Receiver) -> None:
    receiver.answers["/down"] = 500
    endpoints = bench.webhooks.endpoints
    await endpoints.create(id="up", url=f"{receiver.url}/up")
    await endpoints.create(id="down", url=f"{receiver.url}/down")
    started = datetime.now(UTC) - timedelta(minutes=5)
    async with bench.outbox.runner(FAST):
        event = await bench.webhooks.publish("order.paid", {"n": 1})
        ended = {job.path: job for job in await bench.ended(*event.deliveries)}
        assert (ended["/up"].status, ended["/down"].status) == (JobStatus.SUCCESS, JobStatus.FAILED)
        assert await bench.webhooks.replay("up", since=started) == 1
        receiver.answers.clear()
        assert await bench.webhooks.recover("down") == 1
        assert (await bench.ended(ended["/down"].id))[0].status is JobStatus.SUCCESS
        await bench.ended(await bench.webhooks.resend(ended["/up"].id))
    ids = [request.headers["webhook-id"] for request in receiver.requests if request.path == "/up"]
    assert len(ids) >= 2
    assert set(ids) == {event.id}


async def test_a_secret_is_replaced_and_both_sign_for_a_day(bench: Bench, receiver: Receiver) -> None:
    made = await bench.webhooks.endpoints.create(id="one", url=f"{receiver.url}/one")
    rotated = await bench.webhooks.endpoints.rotate("one")
    assert rotated.secret != made.secret
    async with bench.outbox.runner(FAST):
        await bench.ended(*(await bench.webhooks.endpoints.test("one")).deliveries)
    (request,), (event,) = receiver.requests, receiver.events()
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert (event["type"], event["data"]) == ("sp00ky.ping", {"endpoint": "one"})


async def test_an_endpoint_that_answers_410_is_disabled_and_others_hear_of_it(
    bench: Bench, receiver: Receiver
) -> None:
    receiver.answers["/gone"] = 410
    await bench.webhooks.endpoints.create(id="gone", url=f"{receiver.url}/gone", topics=["a"])
    await bench.webhooks.endpoints.create(id="hears", url=f"{receiver.url}/hears", topics=["sp00ky.#"])
    async with bench.outbox.runner(FAST):
        (job,) = await bench.ended(*(await bench.webhooks.publish("a", {})).deliveries)
        async with asyncio.timeout(30):
            while "/hears" not in [request.path for request in receiver.requests]:
                receiver.came.clear()
                await receiver.came.wait()
    assert (job.status, len(job.errors)) == (JobStatus.FAILED, 1)
    gone = await bench.webhooks.endpoints.get("gone")
    assert (gone.enabled, gone.disabled_reason) == (False, "it answered 410 Gone")
    assert receiver.events()[-1]["data"]["endpoint"] == "gone"
    assert (await bench.webhooks.publish("a", {})).deliveries == ()


async def test_who_observes_hears_of_an_endpoint_that_was_disabled(tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []

    class Observer:
        @hookimpl
        async def sp00ky_endpoint_disabled(self, endpoint: Endpoint, reason: str) -> None:
            heard.append((endpoint.id, reason))

    file = tmp_path / "sp00ky.yml"
    file.write_text(FILE.format(store="memory://", settings=SETTINGS))
    plugins = load_plugins()
    plugins.register(Observer(), name="observer", distribution="a-test")
    async with Outbox.open(file, plugins=plugins) as outbox:
        webhooks = outbox.extension(Webhooks)
        await webhooks.endpoints.create(id="one", url=URL)
        assert await webhooks.disable_failed("one", "it answered 410 Gone")
        assert not await webhooks.disable_failed("one", "again")
    assert heard == [("one", "it answered 410 Gone")]


async def test_an_endpoint_that_fails_for_too_long_is_disabled(bench: Bench, receiver: Receiver) -> None:
    receiver.answers["/down"] = 500
    await bench.webhooks.endpoints.create(id="down", url=f"{receiver.url}/down")
    assert await bench.webhooks.disable_failing() == 0
    async with bench.outbox.runner(FAST):
        await bench.ended(*(await bench.webhooks.publish("a", {})).deliveries)
    assert (await bench.webhooks.endpoints.get("down")).failing_since is not None
    assert await bench.webhooks.disable_failing() == 0
    await fail_since_long(bench, "down")
    assert await bench.webhooks.disable_failing() == 1
    assert not (await bench.webhooks.endpoints.get("down")).enabled


async def fail_since_long(bench: Bench, endpoint_id: str) -> None:
    """Have an endpoint fail since six days."""
    context = bench.webhooks.context
    since = datetime.now(UTC) - timedelta(days=6)
    await context.transact(
        lambda tx: tx.update(ENDPOINTS, [Is("id", "=", endpoint_id)], {"failing_since": since})
    )


async def test_a_ping_is_tried_once_and_never_replayed(bench: Bench, receiver: Receiver) -> None:
    receiver.answers["/down"] = 500
    await bench.webhooks.endpoints.create(id="down", url=f"{receiver.url}/down")
    since = datetime.now(UTC) - timedelta(minutes=5)
    async with bench.outbox.runner(FAST):
        (ping,) = await bench.ended(*(await bench.webhooks.endpoints.test("down")).deliveries)
        assert (ping.status, len(ping.errors)) == (JobStatus.FAILED, 1)
        assert await bench.webhooks.recover("down") == 0
        receiver.answers.clear()
        await bench.ended(*(await bench.webhooks.endpoints.test("down")).deliveries)
        assert await bench.webhooks.replay("down", since=since) == 0


async def test_the_audit_says_who_has_done_what_and_why(bench: Bench) -> None:
    by_ada = bench.webhooks.by(actor="ada", reason="ticket 7")
    await by_ada.endpoints.create(id="one", url=URL, assigned_to="tenant:7")
    await by_ada.of("tenant:7").endpoints.disable("one")
    await by_ada.endpoints.enable("one")
    await by_ada.recover("one")
    entries = await bench.outbox.audit()
    assert [(entry.action, entry.count, entry.actor, entry.reason) for entry in reversed(entries)] == [
        ("webhooks create", 1, "ada", "ticket 7"),
        ("webhooks disable", 1, "ada", "ticket 7"),
        ("webhooks enable", 1, "ada", "ticket 7"),
        ("webhooks recover", 0, "ada", "ticket 7"),
    ]
    assert {entry.selection["endpoint"] for entry in entries} == {"one"}
    await by_ada.endpoints.disable("one")
    assert (await bench.webhooks.endpoints.get("one")).disabled_reason == "ticket 7"


async def test_a_row_that_another_client_has_written_wrongly_holds_up_no_other(bench: Bench) -> None:
    for name in ("good", "bad"):
        await bench.webhooks.endpoints.create(id=name, url=URL, topics=["a"])
    wrong = {"topics": "order.*", "filter": "{", "headers": "[1]", "secrets": "{}"}

    async def work(tx: Any) -> None:
        await tx.update(ENDPOINTS, [Is("id", "=", "bad")], wrong)
        await tx.update(SUBSCRIPTIONS, [Is("endpoint_id", "=", "bad")], {"filter": "{"})

    await bench.webhooks.context.transact(work)
    event = await bench.webhooks.publish("a", {})
    assert await paths(bench, event.deliveries) == ["/good"]
    bad, good = await bench.webhooks.endpoints.list()
    assert (bad.topics, bad.filter, bad.headers, good.topics) == ((), None, (), ("a",))
    await bench.webhooks.endpoints.rotate("bad")
    await bench.webhooks.endpoints.update(
        "bad", topics=["a"], filter=None, headers={"Authorization": "Basic x"}
    )
    assert len((await bench.webhooks.publish("a", {})).deliveries) == 2


async def test_headers_that_no_server_takes_are_refused(memory_bench: Bench) -> None:
    with pytest.raises(OptionInvalid, match="100005 characters") as refused:
        await memory_bench.webhooks.endpoints.create(id="one", url=URL, headers={"X-Key": "k" * 100_000})
    assert "kkk" not in str(refused.value)
    assert await memory_bench.webhooks.endpoints.list() == []


async def test_an_endpoint_that_is_none_or_anothers_gets_nothing(memory_bench: Bench) -> None:
    await memory_bench.webhooks.endpoints.create(id="theirs", url=URL, assigned_to="tenant:b")
    for name in ("theirs", "none"):
        with pytest.raises(EndpointNotFound, match=name):
            await memory_bench.webhooks.publish("a", {}, assigned_to="tenant:a", to=[name])
        with pytest.raises(EndpointNotFound, match=name):
            await memory_bench.webhooks.of("tenant:a").endpoints.test(name)
    with pytest.raises(OptionInvalid, match="tenant:a"):
        await memory_bench.webhooks.of("tenant:a").publish("a", {}, assigned_to="tenant:b")
    with pytest.raises(PayloadTooLarge):
        await memory_bench.webhooks.publish("a", {"long": "x" * 2_000_000}, assigned_to="tenant:b")
    assert await memory_bench.webhooks.deliveries("theirs") == []


async def test_events_that_are_old_are_deleted(bench: Bench) -> None:
    await bench.webhooks.publish("a", {}, event_id="old")
    assert await bench.webhooks.prune() == 0
    options = attrs.evolve(bench.webhooks.options, keep_events=-60.0)
    old = attrs.evolve(bench.webhooks, context=attrs.evolve(bench.webhooks.context, options=options))
    assert await old.prune() == 1
    assert await old.prune() == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "http:///hooks"}, "no host"),
        ({"url": "http://user:secret@example.com/"}, "has a user"),
        ({"url": "ftp://example.com/"}, "scheme is another"),
        ({"url": "http://10.0.0.7/hooks"}, "private"),
        ({"url": "http://localhost.localdomain:25/"}, "isn't one for HTTP"),
        ({"url": URL, "topics": ["Order!"]}, "a topic"),
        ({"url": URL, "filter": {"total": 7}}, "JSON pointers"),
        ({"url": URL, "secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"url": URL, "rate": "often"}, "a rate"),
        ({"url": URL, "headers": {"Host": "evil.test"}}, "Host"),
        ({"url": URL, "id": "a/b"}, "letters, digits"),
        ({"url": URL, "assigned_to": ""}, "1 to 255"),
        ({}, "where its requests go"),
        ({"url": URL, "colour": "red"}, "one of url"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(
    memory_bench: Bench, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionInvalid, match=said) as caught:
        await memory_bench.webhooks.endpoints.create(**given)
    assert "\n" not in str(caught.value)
    assert "secret@" not in str(caught.value)
    assert await memory_bench.webhooks.endpoints.list() == []
