"""The suite of transports, over a wire that can hold back what the broker says."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from tests.transport_amqp.broker import Broker, Collecting, Wire

from sp00ky_conformance import TransportConformance
from sp00ky_conformance.transport.peer import Peer, refusing
from sp00ky_transport_amqp.plugin import ENTRY, AmqpOptions
from sp00ky_transport_amqp.routes import read_routes


class TestAmqp(TransportConformance):
    entry = ENTRY
    options = AmqpOptions(routes=read_routes(["/orders/order.paid", "/orders/order.lost"]))
    delivered, refused = "/orders/order.paid", "/orders/order.lost"
    hangs_alone = False

    @pytest_asyncio.fixture
    async def server(self, queues: Broker) -> AsyncIterator[Collecting]:
        async with Wire(queues.port) as wire, queues.channel() as channel:
            peer = Collecting(wire)
            queue = await channel.get_queue("paid")
            await queue.consume(peer.consume, no_ack=True)
            yield peer

    @pytest.fixture
    def nowhere(self) -> Iterator[str]:
        with refusing() as place:
            yield f"amqp://{place}"

    @asynccontextmanager
    async def hanging(self, server: Peer) -> AsyncIterator[str]:
        """Let no confirm through once the broker is connected."""
        assert isinstance(server, Collecting)
        server.wire.holds_confirms = True
        yield self.delivered
        server.wire.release()
