"""The section ``amqp:`` of a backend."""

import pytest
from tests.transport_amqp.conftest import OpenOutbox

from sp00ky_core.errors import ConfigError, UnknownRoute
from sp00ky_core.job.job import NewJob

URL = "amqps://broker.test/shop"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("timeout: 5", "backends.broker.amqp: it has no `routes`"),
        ("amqp: {routes: []}", "backends.broker.amqp.routes: expected at least one route"),
        ("amqp: {route: [/x]}", "backends.broker.amqp: unknown key 'route'; did you mean 'routes'?"),
        ("amqp: {routes: [/x], exchange: y}", "backends.broker.amqp: unknown key 'exchange'"),
        ("amqp: {routes: [/x], mandatory: 'no'}", "backends.broker.amqp.mandatory: expected true or false"),
        (
            "amqp: {routes: [/x]}, auth: {token: s3cr3t}",
            "backends.broker.auth.type: the transport amqps sends basic",
        ),
    ],
)
def test_a_wrong_section_is_said_in_a_line(open_outbox: OpenOutbox, keys: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        open_outbox(URL, keys)
    assert problem in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_what_is_no_route_is_not_enqueued(open_outbox: OpenOutbox) -> None:
    async with open_outbox(URL, "amqp: {routes: [/orders/order.paid, '/news/#']}") as outbox:
        for path in ("/orders/order.payed", "POST /orders/order.paid", "/orders/order.paid?x=1"):
            with pytest.raises(UnknownRoute, match=r"no route .*; did you mean '/orders/order\.paid'\?"):
                await outbox.run("broker", path, {})
        assert (await outbox.run("broker", "/news/any.thing", {})).path == "/news/any.thing"
        (row,) = await outbox.store.add([NewJob(path="/orders/other", backend="broker", max_retries=0)])
        async with outbox.runner():
            ended = await outbox.wait(row.id, timeout=60)
    unknown = "'/orders/other' isn't a route of the backend"
    assert [(error.name, error.reason) for error in ended.errors] == [
        (
            "unknown_route",
            f"{unknown}; did you mean '/orders/order.paid'?; not tried again: no retry left of 0",
        )
    ]
