"""Register the transport, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.plugins.hookspecs import deferred, hookimpl
from sp00ky_core.ports import TransportEntry, TransportFactory


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportFactory]:
    """Register one transport for both schemes; whether a connection is encrypted is in the ``baseUrl``."""
    entry = TransportEntry(
        make=deferred("sp00ky_transport_http.transport:HttpTransport"),
        engine=deferred("sp00ky_transport_http.engines.choice:engine_and_why"),
    )
    return {"http": entry, "https": entry}
