"""Register the transport, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.config import BackendConfig
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Transport, TransportEntry, TransportFactory


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportFactory]:
    """Register one transport for both schemes; whether a connection is encrypted is in the ``baseUrl``."""
    entry = TransportEntry(make=http_transport, engine=engine)
    return {"http": entry, "https": entry}


def engine(backend: BackendConfig) -> str:
    """Say which engine sends a backend's requests, and why."""
    from sp00ky_transport_http.engines.choice import engine_and_why  # noqa: PLC0415  # see below

    return engine_and_why(backend)


def http_transport() -> Transport:
    """Make the transport; its libraries are imported by then, not by each command that looks for plugins."""
    from sp00ky_transport_http.transport import HttpTransport  # noqa: PLC0415  # see above

    return HttpTransport()
