"""What is sent to endpoints, and what becomes of it."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import timedelta
from typing import Any

import attrs
import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from standardwebhooks import Webhook
from tests.webhooks.conftest import FAST, SETTINGS, Bench, MakeBench, Receiver

from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import Is
from sp00ky_receiver.request import Request
from sp00ky_receiver.signature import Verifier
from sp00ky_webhooks import Target
from sp00ky_webhooks.signatures import VARIABLE, new_secret
from sp00ky_webhooks.tables import ENDPOINTS, target_of, version_of
from sp00ky_webhooks.transport import WebhookTransport

SECRET = new_secret()


async def delivered(bench: Bench, topic: str = "order.paid", **given: Any) -> Job:
    """Publish an event to one endpoint, and wait for the end of its delivery."""
    async with bench.outbox.runner(FAST):
        (job,) = await bench.ended(*(await bench.webhooks.publish(topic, {"n": 1}, **given)).deliveries)
    return job


async def test_a_request_is_what_the_standard_and_our_receiver_verify(
    memory_bench: Bench, receiver: Receiver
) -> None:
    made = await memory_bench.webhooks.endpoints.create(
        id="one", url=f"{receiver.url}/hooks?a=b%20c", headers={"X-Key": "k3y"}
    )
    assert (await delivered(memory_bench, event_id="evt_1")).status is JobStatus.SUCCESS
    (request,), (body,) = receiver.requests, receiver.bodies
    assert (request.method, request.path_qs) == ("POST", "/hooks?a=b%20c")
    assert (request.headers["webhook-id"], request.headers["X-Key"]) == ("evt_1", "k3y")
    assert request.headers["Content-Type"] == "application/json"
    event = receiver.events()[0]
    assert (event["id"], event["type"], event["data"]) == ("evt_1", "order.paid", {"n": 1})
    assert Webhook(made.secret).verify(body, dict(request.headers)) == event
    headers = {name.lower(): value for name, value in request.headers.items()}
    timestamp = float(headers["webhook-timestamp"])
    taken = Request(method="POST", target="/hooks", headers=headers, body=body)
    assert Verifier([made.secret], 300).verify(taken, timestamp) == "evt_1"


async def test_cloud_events_headers_are_an_option(make_bench: MakeBench, receiver: Receiver) -> None:
    bench = await make_bench("memory://", f"{SETTINGS}, cloudEvents: /shop")
    await bench.webhooks.endpoints.create(id="one", url=receiver.url)
    await delivered(bench, event_id="evt_1")
    headers = receiver.requests[0].headers
    names = ("ce-specversion", "ce-id", "ce-source", "ce-type")
    assert [headers[name] for name in names] == ["1.0", "evt_1", "/shop", "order.paid"]


async def test_a_redirect_is_not_followed(memory_bench: Bench, receiver: Receiver) -> None:
    receiver.answers["/from"] = (302, {"Location": f"{receiver.url}/to"})
    await memory_bench.webhooks.endpoints.create(id="one", url=f"{receiver.url}/from")
    job = await delivered(memory_bench)
    assert job.status is JobStatus.FAILED
    assert job.errors[-1].code == 302
    assert {request.path for request in receiver.requests} == {"/from"}


async def test_a_failure_is_retried_by_the_schedule(make_bench: MakeBench, receiver: Receiver) -> None:
    bench = await make_bench("memory://", "allowPrivate: [127.0.0.0/8], schedule: [1h, 2h]")
    receiver.answers["/"] = 500
    await bench.webhooks.endpoints.create(id="one", url=f"{receiver.url}/")
    (job_id,) = (await bench.webhooks.publish("a", {})).deliveries
    async with bench.outbox.runner(FAST):
        async with asyncio.timeout(30):
            while not (job := await bench.outbox.get(job_id)).errors:
                await receiver.came.wait()
                await asyncio.sleep(0)
    assert (job.status, job.retries) == (JobStatus.PENDING, 1)
    assert job.run_at is not None
    assert job.updated_at is not None
    assert timedelta(minutes=53) < job.run_at - job.updated_at < timedelta(minutes=67)


async def test_a_success_ends_what_was_noted_of_failures(memory_bench: Bench, receiver: Receiver) -> None:
    receiver.answers["/"] = 500
    endpoints = memory_bench.webhooks.endpoints
    await endpoints.create(id="one", url=f"{receiver.url}/")
    await delivered(memory_bench)
    assert (await endpoints.get("one")).failing_since is not None
    receiver.answers["/"] = 204
    await delivered(memory_bench)
    assert (await endpoints.get("one")).failing_since is None


async def test_deliveries_to_a_disabled_or_deleted_endpoint_fail_at_once(
    memory_bench: Bench, receiver: Receiver
) -> None:
    endpoints = memory_bench.webhooks.endpoints
    await endpoints.create(id="off", url=receiver.url)
    await endpoints.create(id="gone", url=receiver.url)
    event = await memory_bench.webhooks.publish("a", {})
    await endpoints.disable("off")
    await endpoints.delete("gone")
    async with memory_bench.outbox.runner(FAST):
        jobs = await memory_bench.ended(*event.deliveries)
    assert {job.path: job.errors[-1].name for job in jobs} == {
        "/off": "endpoint_disabled",
        "/gone": "endpoint_gone",
    }
    assert receiver.requests == []


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/", "ftp://example.com/", "http://u:p@127.0.0.1/", "http://127.0.0.1:25/", "nonsense"],
)
async def test_a_url_that_another_client_has_written_is_checked_before_it_is_requested(
    memory_bench: Bench, url: str
) -> None:
    await memory_bench.webhooks.endpoints.create(id="one", url="http://127.0.0.1:8000/")
    await memory_bench.webhooks.context.transact(
        lambda tx: tx.update(ENDPOINTS, [Is("id", "=", "one")], {"url": url})
    )
    job = await delivered(memory_bench)
    assert (job.status, job.errors[-1].name) == (JobStatus.FAILED, "address_refused")
    assert "p@" not in job.errors[-1].reason


async def test_a_name_that_leads_elsewhere_by_now_is_refused(
    memory_bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS changes between the endpoint's creation and its first delivery: that can't be made for real."""
    port = receiver.url.rpartition(":")[2]
    answers = ["93.184.216.34", "10.0.0.7"]

    def found(host: str, at: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), at))]

    monkeypatch.setattr("sp00ky_webhooks.addresses.socket.getaddrinfo", found)
    await memory_bench.webhooks.endpoints.create(id="one", url=f"http://rebinding.example:{port}/")
    job = await delivered(memory_bench)
    assert (job.status, job.errors[-1].name) == (JobStatus.FAILED, "address_refused")
    assert receiver.requests == []


async def test_what_is_connected_to_is_the_address_that_was_checked(
    memory_bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that the system doesn't know is requested, for its address was found once, and is pinned."""
    host, port = receiver.url.removeprefix("http://").split(":")
    asked: list[str] = []

    def found(name: str, at: int, **_: Any) -> list[Any]:
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, at))]

    monkeypatch.setattr("sp00ky_webhooks.addresses.socket.getaddrinfo", found)
    await memory_bench.webhooks.endpoints.create(id="one", url=f"http://pinned.invalid:{port}/hooks")
    assert (await delivered(memory_bench)).status is JobStatus.SUCCESS
    assert receiver.requests[0].headers["Host"] == f"pinned.invalid:{port}"
    assert asked == ["pinned.invalid"] * 2


async def test_an_endpoint_that_hangs_is_cut_off(make_bench: MakeBench, receiver: Receiver) -> None:
    over = asyncio.Event()

    async def hang(_request: web.BaseRequest) -> int:
        await over.wait()
        return 200

    receiver.answers["/"] = hang
    bench = await make_bench("memory://", "allowPrivate: [127.0.0.0/8], schedule: []")
    await bench.webhooks.endpoints.create(id="one", url=f"{receiver.url}/")
    config = bench.webhooks.context.backends["hooks"]
    assert config.config.isolation == "route"
    job = await delivered(bench)
    over.set()
    assert (job.status, job.errors[-1].name) == (JobStatus.FAILED, "timeout")


async def test_no_secret_is_in_what_is_kept_of_an_answer(memory_bench: Bench, receiver: Receiver) -> None:
    async def echo(request: web.BaseRequest) -> Any:
        return web.json_response(dict(request.headers), status=400)

    receiver.answers["/"] = echo
    await memory_bench.webhooks.endpoints.create(
        id="one", url=f"{receiver.url}/", headers={"X-Key": "sup3rs3cret"}, secret=SECRET
    )
    job = await delivered(memory_bench)
    assert "webhook-id" in job.errors[-1].reason
    sent = receiver.requests[0].headers["webhook-signature"]
    for secret in (SECRET, "sup3rs3cret", sent, sent.removeprefix("v1,")):
        assert secret not in repr(job)


async def test_secrets_and_headers_are_encrypted_in_rows(
    memory_bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, Fernet.generate_key().decode())
    endpoints = memory_bench.webhooks.endpoints
    made = await endpoints.create(id="one", url=receiver.url, headers={"X-Key": "sup3rs3cret"})
    (row,) = await memory_bench.webhooks.context.read(lambda tx: tx.select(ENDPOINTS))
    assert made.secret not in repr(row)
    assert "sup3rs3cret" not in repr(row)
    assert made.endpoint.headers == ("X-Key",)
    assert (await delivered(memory_bench)).status is JobStatus.SUCCESS
    assert receiver.requests[0].headers["X-Key"] == "sup3rs3cret"
    monkeypatch.setenv(VARIABLE, Fernet.generate_key().decode())
    job = await delivered(memory_bench)
    assert (job.errors[-1].name, "no key" in job.errors[-1].reason) == ("connect", True)


TENANTS = {"t1": ""}


async def endpoint_of(endpoint_id: str) -> Target | None:
    """Say where a tenant's webhooks go, as an application does."""
    url = TENANTS.get(endpoint_id)
    return None if url is None else Target(url=url, secrets=(SECRET,))


async def test_an_applications_own_function_says_where_endpoints_are(
    make_bench: MakeBench, receiver: Receiver
) -> None:
    TENANTS["t1"] = f"{receiver.url}/t1"
    bench = await make_bench("memory://", f"{SETTINGS}, endpoints: '{__name__}:endpoint_of'")
    async with bench.outbox.runner(FAST):
        event = await bench.webhooks.publish("order.paid", {"n": 1}, to=["t1", "t2"])
        jobs = {job.path: job for job in await bench.ended(*event.deliveries)}
    assert jobs["/t1"].status is JobStatus.SUCCESS
    assert jobs["/t2"].errors[-1].name == "endpoint_gone"
    assert (
        Webhook(SECRET).verify(receiver.bodies[0], dict(receiver.requests[0].headers))["type"] == "order.paid"
    )


async def test_one_that_throttles_holds_up_no_other(memory_bench: Bench, receiver: Receiver) -> None:
    """As it was found: five tenants, one of which answers 429 with ``Retry-After``."""
    receiver.answers["/slow"] = (429, {"Retry-After": "20"})
    create = memory_bench.webhooks.endpoints.create
    for name in ("slow", "a", "b", "c", "d"):
        await create(id=name, url=f"{receiver.url}/{name}", topics=[name])
    async with memory_bench.outbox.runner(FAST):
        for _ in range(5):
            await memory_bench.webhooks.publish("slow", {})
        for name in ("a", "b", "c", "d"):
            (job,) = await memory_bench.ended(*(await memory_bench.webhooks.publish(name, {})).deliveries)
            assert job.status is JobStatus.SUCCESS
        async with asyncio.timeout(30):
            while (await memory_bench.webhooks.endpoints.get("slow")).not_before is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (later,) = (await memory_bench.webhooks.publish("slow", {})).deliveries
    job = await memory_bench.outbox.get(later)
    assert job.run_at is not None
    assert job.created_at is not None
    assert job.run_at - job.created_at > timedelta(seconds=10)
    assert len([one for one in receiver.requests if one.path == "/slow"]) <= 2


async def test_what_waits_for_an_endpoint_never_goes_to_anothers_of_its_id(
    memory_bench: Bench, receiver: Receiver
) -> None:
    endpoints = memory_bench.webhooks.endpoints
    await endpoints.create(id="one", url=f"{receiver.url}/a", assigned_to="tenant:a")
    event = await memory_bench.webhooks.publish("a", {"of": "a"}, assigned_to="tenant:a")
    await endpoints.delete("one")
    await endpoints.create(id="one", url=f"{receiver.url}/b", assigned_to="tenant:b")
    async with memory_bench.outbox.runner(FAST):
        (job,) = await memory_bench.ended(*event.deliveries)
    assert (job.status, job.errors[-1].name) == (JobStatus.FAILED, "endpoint_gone")
    assert receiver.requests == []


async def test_hosts_that_are_never_found_hold_up_no_other(
    memory_bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that doesn't answer can't be made for real."""
    host, port = receiver.url.removeprefix("http://").split(":")
    over, asked = threading.Event(), list[str]()

    def found(name: str, at: int, **_: Any) -> list[Any]:
        asked.append(name)
        if name.startswith("silent"):
            over.wait(30)
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, at))]

    create, rows = memory_bench.webhooks.endpoints.create, memory_bench.webhooks.context.transact
    for number in range(3):
        await create(id=f"silent{number}", url=receiver.url, topics=["silent"])
        where, url = [Is("id", "=", f"silent{number}")], f"http://silent.example:{port}/"
        await rows(lambda tx, w=where, u=url: tx.update(ENDPOINTS, w, {"url": u}))
    monkeypatch.setattr("sp00ky_webhooks.addresses.socket.getaddrinfo", found)
    await create(id="found", url=f"http://found.example:{port}/", topics=["found"])
    try:
        async with memory_bench.outbox.runner(FAST):
            for _ in range(3):
                await memory_bench.webhooks.publish("silent", {})
            (job,) = await memory_bench.ended(*(await memory_bench.webhooks.publish("found", {})).deliveries)
            over.set()
    finally:
        over.set()
    assert job.status is JobStatus.SUCCESS
    assert asked.count("silent.example") == 1


async def test_an_applications_function_that_hangs_is_given_up_in_time(make_bench: MakeBench) -> None:
    bench = await make_bench("memory://", f"schedule: [], endpoints: '{__name__}:never'")
    job = await delivered(bench, to=["t1"])
    assert job.errors[0].name == "connect"
    assert job.errors[0].reason.startswith("its address isn't known in time")


async def never(_endpoint_id: str) -> Target | None:
    """Say where nobody's webhooks go, some day."""
    await asyncio.Event().wait()
    return None


@pytest.mark.parametrize(("status", "asked", "rests"), [(429, 7_200, 7_200), (500, 10**9, 86_400)])
async def test_an_endpoint_may_ask_for_a_long_rest(
    make_bench: MakeBench, receiver: Receiver, status: int, asked: int, rests: int
) -> None:
    bench = await make_bench("memory://", "allowPrivate: [127.0.0.0/8], schedule: [1s, 1s]")
    receiver.answers["/"] = (status, {"Retry-After": str(asked)})
    await bench.webhooks.endpoints.create(id="one", url=f"{receiver.url}/")
    (job_id,) = (await bench.webhooks.publish("a", {})).deliveries
    async with bench.outbox.runner(FAST), asyncio.timeout(30):
        while rest_of(job := await bench.outbox.get(job_id)) < timedelta(seconds=2):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert timedelta(seconds=rests - 1) < rest_of(job) < timedelta(seconds=rests * 1.3)


def rest_of(job: Job) -> timedelta:
    """Return how long after its latest change a job is due."""
    return timedelta() if job.run_at is None or job.updated_at is None else job.run_at - job.updated_at


async def test_a_secret_that_was_replaced_ends_by_itself(memory_bench: Bench) -> None:
    endpoints = memory_bench.webhooks.endpoints
    await endpoints.create(id="one", url="http://127.0.0.1:8000/")
    secret = (await endpoints.rotate("one")).secret
    (row,) = await memory_bench.webhooks.context.read(lambda tx: tx.select(ENDPOINTS))
    now = row["updated_at"]
    both, later = target_of(row, now), target_of(row, now + timedelta(hours=25))
    assert len(both.secrets) == 2
    assert later.secrets == (secret,)
    assert both.version == version_of(row, now)
    assert both.version != later.version


async def test_attempts_are_counted_together_however_many_endpoints_there_are(
    memory_bench: Bench, receiver: Receiver
) -> None:
    for number in range(3):
        await memory_bench.webhooks.endpoints.create(id=f"e{number}", url=receiver.url)
    async with memory_bench.outbox.runner(FAST) as runner:
        await memory_bench.ended(*(await memory_bench.webhooks.publish("a", {})).deliveries)
        (counted,) = runner.observer.counters.attempts
    assert counted == ("hooks", "", "success", 200)


async def test_it_delivers_nothing_without_its_extension() -> None:
    transport = WebhookTransport()
    await transport.open()
    assert transport.api.__name__ == "Webhooks"
    await transport.close()
    await transport.close()
    assert attrs.has(Target)
