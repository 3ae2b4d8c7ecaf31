"""Register the transport, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import Transport, TransportEntry, TransportFactory
from sp00ky_transport_http.engines.choice import engine_and_why


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportFactory]:
    """Register one transport for both schemes; whether a connection is encrypted is in the ``baseUrl``."""
    entry = TransportEntry(make=http_transport, engine=engine_and_why)
    return {"http": entry, "https": entry}


def http_transport() -> Transport:
    """Make the transport; its libraries are imported by then, not by each command that looks for plugins."""
    from sp00ky_transport_http.transport import HttpTransport  # noqa: PLC0415  # see above

    return HttpTransport()
