"""The plugin: registers what this distribution brings."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.hookspecs import hookimpl
from sp00ky_core.ports import TransportFactory
from sp00ky_transport_http.transport import HttpTransport

__all__ = ["sp00ky_register_transports"]


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportFactory]:
    """One transport serves both schemes; whether a connection is encrypted is in the ``baseUrl``."""
    return {"http": HttpTransport, "https": HttpTransport}
