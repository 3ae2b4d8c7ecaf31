"""The HTTP transport of Sp00ky outbox."""

from typing import TYPE_CHECKING

from sp00ky_core.plugins.hookspecs import deferred_names

if TYPE_CHECKING:
    from sp00ky_transport_http.transport import HttpTransport
else:
    __getattr__ = deferred_names(__name__, HttpTransport="transport")

__all__ = ["HttpTransport"]
