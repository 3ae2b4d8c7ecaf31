"""The HTTP transport of Sp00ky outbox."""

from sp00ky_transport_http.transport import HttpTransport

__all__ = ["HttpTransport"]
