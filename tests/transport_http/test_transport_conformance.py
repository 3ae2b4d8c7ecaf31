from asyncio import AbstractEventLoopPolicy

import pytest
import uvloop
from tests.transport_http.engine import EngineTransport

from sp00ky_conformance.transport.http_suite import HttpTransportConformance


class TestAiohttp(HttpTransportConformance):
    @pytest.fixture
    def transport(self) -> EngineTransport:
        return EngineTransport("aiohttp")


class TestHttptools(HttpTransportConformance):
    @pytest.fixture
    def transport(self) -> EngineTransport:
        return EngineTransport("httptools")


@pytest.mark.filterwarnings(
    "ignore:Overriding the .event_loop_policy"
)  # of what replaces it, 1.5 has the first
class TestHttptoolsOnUvloop(TestHttptools):
    @pytest.fixture
    def event_loop_policy(self) -> AbstractEventLoopPolicy:
        return uvloop.EventLoopPolicy()
