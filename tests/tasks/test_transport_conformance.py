"""The suite of transports of any scheme, on functions in the test's own process."""

import asyncio
import json

import pytest
from tests.tasks import functions

from sp00ky_conformance import CollectingPeer, TransportConformance
from sp00ky_core import Delivered, Transport
from sp00ky_tasks.plugin import ENTRY, PythonOptions


class TestTasksTransport(TransportConformance):
    entry = ENTRY
    options = PythonOptions()

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> CollectingPeer:
        monkeypatch.setattr(functions, "peer", CollectingPeer(functions.peer.url))
        return functions.peer

    @pytest.fixture
    def nowhere(self) -> str:
        return "python://tests.no_such_module:tasks"

    async def test_the_payload_arrives_byte_for_byte_and_once(
        self, delivering: Transport, server: CollectingPeer
    ) -> None:
        """A function is given values, not bytes."""
        for payload in ({"n": 7.5, "x": "\U0001f47b"}, {"n": 0, "x": ""}):
            outcome = await delivering.deliver(self.attempt(server.url, self.delivered, payload=payload))
            assert isinstance(outcome, Delivered)
            assert json.loads(server.requests[-1].body) == payload
        assert len(server.requests) == 2

    async def test_of_many_at_once_each_arrives(self, delivering: Transport, server: CollectingPeer) -> None:
        """As above."""
        attempts = [self.attempt(server.url, self.delivered, payload={"n": n}) for n in range(20)]
        await asyncio.gather(*map(delivering.deliver, attempts))
        assert sorted(json.loads(request.body)["n"] for request in server.requests) == list(range(20))
