"""Register the transport, as a plugin of Sp00ky outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from sp00ky_core.config import BackendConfig, key, values
from sp00ky_core.plugins.hookspecs import deferred, hookimpl
from sp00ky_core.ports import TransportEntry
from sp00ky_transport_amqp.routes import Route, place_of, read_routes


@attrs.frozen(kw_only=True)
class AmqpOptions:
    """The section ``amqp:`` of a backend.

    Attributes:
        routes: What jobs may be sent to; there is nothing else.
        mandatory: A message that no queue gets is an error; else it is dropped, as the broker does.
        cloud_events: Each message has the attributes of a CloudEvent, as headers.
    """

    routes: tuple[Route, ...] = attrs.field(metadata=key(read_routes))
    mandatory: bool = attrs.field(default=True, metadata=key(values.boolean))
    cloud_events: bool = attrs.field(default=False, metadata=key(values.boolean))


def _unlisted(backend: BackendConfig, path: str) -> Sequence[str]:
    """Return the routes of a backend, where a path is none of them."""
    routes = backend.options.routes
    return [route.text for route in routes] if place_of(path, routes) is None else ()


ENTRY = TransportEntry(
    make=deferred("sp00ky_transport_amqp.transport:AmqpTransport"),
    scheme="amqp",
    options=AmqpOptions,
    credentials=frozenset({"basic"}),
    contract="none",
    unlisted=_unlisted,
    leaves_running=True,
)
"""Where a delivery is cancelled, its message may be with the broker already, or on the way."""


@hookimpl
def sp00ky_register_transports() -> Mapping[str, TransportEntry]:
    """Register the transport for ``amqp://`` and ``amqps://``."""
    return {"amqp": ENTRY, "amqps": ENTRY}
