"""What comes of a delivery to a real broker, whatever happens to it: nothing is lost."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aio_pika import DeliveryMode
from tests.transport_amqp.broker import Broker, Wire, until
from tests.transport_amqp.conftest import OpenOutbox, attempt_at

from sp00ky_conformance.transport.peer import refusing
from sp00ky_core import Attempt, AttemptError, Delivered, Job, Outbox, Undelivered
from sp00ky_core.errors import ConfigError
from sp00ky_transport_amqp.transport import AmqpTransport

PAID = "/orders/order.paid"


async def test_what_a_broker_refuses_is_amqps_code(queues: Broker, transport: AmqpTransport) -> None:
    lost = await transport.deliver(attempt_at(queues.url, "/orders/order.lost"))
    assert isinstance(lost, Undelivered)
    assert (str(lost), lost.name, lost.is_retryable) == ("AMQP 312", "no_route", True)
    missing = await transport.deliver(attempt_at(queues.url, "/absent/order.paid"))
    assert isinstance(missing, Undelivered)
    assert (str(missing), missing.name, missing.is_retryable) == ("AMQP 404", "not_found", True)
    assert "no exchange 'absent'" in missing.reason


async def test_what_need_not_reach_a_queue_is_delivered(queues: Broker, transport: AmqpTransport) -> None:
    attempt = attempt_at(queues.url, "/orders/order.lost", options={"mandatory": False})
    assert await transport.deliver(attempt) == Delivered(code=0, scheme="amqp")


async def test_what_is_not_listed_is_never_published(queues: Broker, transport: AmqpTransport) -> None:
    for path in (PAID, "/paid", "/amq.topic/order.paid", "//order.paid", "/orders/x/order.paid"):
        outcome = await transport.deliver(attempt_at(queues.url, path, "/orders/order.lost"))
        assert isinstance(outcome, Undelivered)
        assert outcome.name in {"unknown_route", "invalid_path"}
    assert await queues.messages("paid") == []


async def test_a_message_has_what_tells_it_apart(queues: Broker, transport: AmqpTransport) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    attempt = attempt_at(queues.url, PAID, job={"traceparent": trace}, number=3, headers={"Tenant": "7"})
    assert isinstance(await transport.deliver(attempt), Delivered)
    (message,) = await queues.messages("paid")
    assert message.message_id == attempt.job.id
    assert message.delivery_mode is DeliveryMode.PERSISTENT
    assert message.content_type == "application/json"
    assert message.headers == {
        "Idempotency-Key": attempt.job.id,
        "Sp00ky-Attempt": "3",
        "Tenant": "7",
        "traceparent": trace,
    }


async def test_an_exchange_that_goes_costs_only_its_own(queues: Broker, transport: AmqpTransport) -> None:
    routes = (PAID, "/passing/x")
    async with queues.channel() as channel:
        passing = await channel.declare_exchange("passing", "fanout")
        await (await channel.get_queue("paid")).bind(passing)
        assert isinstance(await transport.deliver(attempt_at(queues.url, "/passing/x", *routes)), Delivered)
        await passing.delete()
    there = [transport.deliver(attempt_at(queues.url, PAID, *routes)) for _ in range(20)]
    gone, *delivered = await asyncio.gather(
        transport.deliver(attempt_at(queues.url, "/passing/x", *routes)), *there
    )
    assert str(gone) == "AMQP 404"
    assert all(isinstance(outcome, Delivered) for outcome in delivered)


async def test_a_full_queue_is_throttling(queues: Broker, transport: AmqpTransport) -> None:
    async with queues.channel() as channel:
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        full = await channel.declare_queue("full", arguments=limits)
        assert isinstance(await transport.deliver(attempt_at(queues.url, "/full")), Delivered)
        outcome = await transport.deliver(attempt_at(queues.url, "/full"))
        await channel.queue_delete(full.name)
    assert isinstance(outcome, Undelivered)
    assert (outcome.name, outcome.code) == ("throttled", 0)


async def test_a_connection_that_is_lost_before_the_confirm_leaves_the_outcome_unknown(
    queues: Broker, transport: AmqpTransport
) -> None:
    async with Wire(queues.port) as wire:
        wire.holds_confirms = True
        task = asyncio.create_task(transport.deliver(attempt_at(wire.url, PAID)))
        await until(lambda: queues.messages("paid"))
        wire.cut()
        outcome = await task
        assert isinstance(outcome, Undelivered)
        assert (outcome.name, outcome.is_retryable) == ("reset", True)
        assert isinstance(await transport.deliver(attempt_at(wire.url, PAID)), Delivered)


async def test_without_retries_what_may_have_been_published_is_not_published_again(
    queues: Broker, open_outbox: OpenOutbox
) -> None:
    async with Wire(queues.port) as wire, open_outbox(wire.url) as outbox, outbox.runner():
        wire.holds_confirms = True
        once = await outbox.run("broker", PAID, {"n": 1}, max_retries=0)
        await until(lambda: queues.messages("paid"))
        wire.cut()
        ended = await outbox.wait(once.id, timeout=60)
        other = await outbox.run("broker", PAID, {"n": 2})
        await outbox.wait(other.id, timeout=60)
    assert (ended.status, [error.name for error in ended.errors]) == ("failed", ["reset"])
    assert [message.body for message in await queues.messages("paid")] == [b'{"n":2}']


@contextmanager
def alarm(broker: Broker) -> Iterator[None]:
    """Let a broker have a memory alarm."""
    broker.control("set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        broker.control("set_vm_memory_high_watermark", "0.6")


async def error_of(outbox: Outbox, job: Job) -> str:
    """Wait until something went wrong with a job, and return its name."""

    async def errors() -> list[AttemptError]:
        return (await outbox.get(job.id)).errors

    await until(errors)
    return (await errors())[0].name


async def opened_breaker(outbox: Outbox) -> bool:
    """Say whether the backend's breaker isn't closed."""
    return (await outbox.stats())["broker"].breaker.state != "closed"


async def test_an_alarm_is_throttling(queues: Broker, open_outbox: OpenOutbox) -> None:
    slow = "timeout: 120, timeoutOverridable: true"  # as a busy broker's connection may be
    keys = f"{slow}, breaker: false, amqp: {{routes: [/orders/order.paid]}}"
    async with open_outbox(queues.url, keys) as outbox, outbox.runner():
        with alarm(queues):
            # A broker says so to who publishes: of the first message nothing is known.
            first = await outbox.run("broker", PAID, {"n": 0}, max_retries=20, timeout=5)
            assert await error_of(outbox, first) == "timeout"
            jobs = [await outbox.run("broker", PAID, {"n": n}, max_retries=0) for n in range(1, 20)]
            assert await error_of(outbox, jobs[0]) == "throttled"
            assert (await outbox.get(jobs[0].id)).retries == 0
        ended = [await outbox.wait(job.id, timeout=120) for job in (first, *jobs)]
    assert {job.status for job in ended} == {"success"}
    bodies = {message.body for message in await queues.messages("paid")}
    assert bodies == {b'{"n":%d}' % n for n in range(20)}


async def test_a_connection_that_is_lost_in_an_alarm_is_made_anew(
    queues: Broker, transport: AmqpTransport
) -> None:
    async with Wire(queues.port) as wire:
        with alarm(queues):
            names = [await outcome_of(transport, attempt_at(wire.url, PAID, timeout=1.0)) for _ in range(2)]
            wire.cut()
        assert names == ["timeout", "throttled"]
        assert await outcome_of(transport, attempt_at(wire.url, PAID)) == "delivered"


async def outcome_of(transport: AmqpTransport, attempt: Attempt) -> str:
    """Return the name of what comes of an attempt."""
    outcome = await transport.deliver(attempt)
    return "delivered" if isinstance(outcome, Delivered) else outcome.name


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])
async def test_a_broker_that_goes_costs_time_and_no_job(
    queues: Broker, open_outbox: OpenOutbox, sign: signal.Signals
) -> None:
    async with open_outbox(queues.url) as outbox, outbox.runner():
        job_ids = [(await outbox.run("broker", PAID, {"n": n})).id for n in range(20)]
        await asyncio.to_thread(queues.end, sign)
        job_ids += [(await outbox.run("broker", PAID, {"n": n})).id for n in range(20, 40)]
        await until(lambda: opened_breaker(outbox))
        await asyncio.to_thread(queues.start)
        ended = [await outbox.wait(job_id, timeout=120) for job_id in job_ids]
    assert {job.status for job in ended} == {"success"}
    bodies = {message.body for message in await queues.messages("paid")}
    assert bodies == {b'{"n":%d}' % n for n in range(40)}


# --- before the first delivery ---


async def test_what_a_broker_refuses_is_said_in_a_line(queues: Broker, open_outbox: OpenOutbox) -> None:
    wrong = "auth: {type: basic, username: shop, password: secr3t}, amqp: {routes: [/orders/order.paid]}"
    for keys, problem in (
        (
            "amqp: {routes: [/absent/x]}",
            "the broker has no exchange 'absent', of the route /absent/x; declare it",
        ),
        (wrong, "the broker refuses the user 'shop': ACCESS_REFUSED - Login was refused"),
    ):
        async with open_outbox(queues.url, keys) as outbox:
            with pytest.raises(ConfigError) as raised:
                await outbox.runner().start()
            assert str(raised.value).startswith(f"backends.broker: {problem}")
            assert "\n" not in str(raised.value)
            assert "secr3t" not in str(raised.value)


async def test_credentials_that_are_refused_are_no_connection(
    queues: Broker, transport: AmqpTransport
) -> None:
    outcome = await transport.deliver(attempt_at(queues.url, PAID, user=("shop", "secr3t")))
    assert isinstance(outcome, Undelivered)
    assert (outcome.name, str(outcome)) == ("connect", "AMQP 403")
    assert "secr3t" not in repr(outcome)
    of_the_url = queues.url.replace("//", "//guest:guest@")
    assert isinstance(await transport.deliver(attempt_at(of_the_url, PAID)), Delivered)


async def test_a_broker_that_is_away_keeps_no_runner_from_starting(open_outbox: OpenOutbox) -> None:
    with refusing() as place:
        async with open_outbox(f"amqp://{place}") as outbox, outbox.runner():
            job = await outbox.run("broker", PAID, {})
            await until(lambda: opened_breaker(outbox))
            assert (await outbox.get(job.id)).status in {"pending", "processing"}
