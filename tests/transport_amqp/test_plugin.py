"""The section ``amqp:`` of a backend."""

import pytest
from tests.transport_amqp.conftest import OpenOutbox

from sp00ky_core.errors import ConfigError

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
