"""The suite of transports of any scheme, on an application in the test's own process and loop."""

import pytest
from tests.transport_asgi import applications

from sp00ky_conformance import CollectingPeer, TransportConformance
from sp00ky_transport_asgi.plugin import ENTRY, AsgiOptions


class TestAsgiTransport(TransportConformance):
    entry = ENTRY
    options = AsgiOptions(loop="shared")

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> CollectingPeer:
        monkeypatch.setattr(applications, "peer", CollectingPeer(applications.peer.url))
        return applications.peer

    @pytest.fixture
    def nowhere(self) -> str:
        return "asgi://tests.no_such_module:app"
