from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from tests.transport_amqp.broker import NO_BROKER, Broker, program

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_core import Attempt, Outbox, Plugins
from sp00ky_core.config import Secret
from sp00ky_store_kit import memory as core_stores
from sp00ky_transport_amqp import plugin as amqp
from sp00ky_transport_amqp.routes import read_routes
from sp00ky_transport_amqp.transport import AmqpTransport

OpenOutbox = Callable[..., Outbox]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A RabbitMQ that is at work; a test that ends it starts it again."""
    if program("rabbitmq-server") is None:
        pytest.skip(NO_BROKER)
    made = Broker(tmp_path_factory.mktemp("rabbitmq"))
    try:
        made.start()
        yield made
    finally:
        made.clean_up()


@pytest_asyncio.fixture
async def queues(broker: Broker) -> AsyncIterator[Broker]:
    """The broker, with an exchange ``orders`` and its queue ``paid``, both empty and durable."""
    async with broker.channel() as channel:
        orders = await channel.declare_exchange("orders", "topic", durable=True)
        paid = await channel.declare_queue("paid", durable=True)
        await paid.bind(orders, "order.paid")
    yield broker
    async with broker.channel() as channel:
        await channel.queue_delete("paid")
        await channel.exchange_delete("orders")


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[AmqpTransport]:
    """A transport that is open."""
    made = AmqpTransport()
    await made.open()
    yield made
    await made.close()


def attempt_at(
    url: str,
    path: str,
    *routes: str,
    user: tuple[str, str] | None = None,
    options: Any = None,
    job: Any = None,
    **fields: Any,
) -> Attempt:
    """Make an attempt as a runner would."""
    made = attempt_for(url, path, token=None, **fields)
    section = amqp.AmqpOptions(routes=read_routes(list(routes or (path,))), **(options or {}))
    backend = attrs.evolve(made.backend, scheme="amqp", options=section)
    if user is not None:
        backend = attrs.evolve(backend, username=Secret(user[0]), password=Secret(user[1]))
    return attrs.evolve(made, backend=backend, job=attrs.evolve(made.job, **(job or {})))


@pytest.fixture
def open_outbox(tmp_path: Path) -> OpenOutbox:
    """Open an outbox, in memory, whose one backend ``broker`` is at a URL, with keys of its own."""

    def opened(url: str, keys: str = "amqp: {routes: [/orders/order.paid, /paid]}") -> Outbox:
        file = tmp_path / "sp00ky.yml"
        file.write_text(
            f"store: memory://\nbackends: {{broker: {{baseUrl: '{url}', method: {{}}, {keys}}}}}\n"
        )
        loaded = Plugins()
        loaded.register(core_stores, name="core", distribution="sp00ky-core")
        loaded.register(amqp, name="amqp", distribution="sp00ky-transport-amqp")
        return Outbox.open(file, store="memory://", plugins=loaded)

    return opened
