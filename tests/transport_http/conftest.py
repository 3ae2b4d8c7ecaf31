from collections.abc import AsyncIterator

import pytest
from tests.transport_http.engine import ENGINES, EngineTransport

from sp00ky_transport_http import HttpTransport


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)


@pytest.fixture
async def auto() -> AsyncIterator[HttpTransport]:
    """A transport that is open, and chooses its engine itself."""
    transport = HttpTransport()
    await transport.open()
    yield transport
    await transport.close()


@pytest.fixture
async def transport(engine: str) -> AsyncIterator[EngineTransport]:
    """A transport that is open."""
    transport = EngineTransport(engine)
    await transport.open()
    yield transport
    await transport.close()
