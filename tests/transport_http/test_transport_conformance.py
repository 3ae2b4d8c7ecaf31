import pytest

from sp00ky_core.testing.transport import TransportConformance
from sp00ky_transport_http import HttpTransport


class TestHttpTransport(TransportConformance):
    @pytest.fixture
    def transport(self) -> HttpTransport:
        return HttpTransport()
