"""The HTTP transport of Sp00ky outbox."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sp00ky_transport_http.transport import HttpTransport

__all__ = ["HttpTransport"]


def __getattr__(name: str) -> Any:
    """Import the class when it is asked for: whoever looks for plugins doesn't need aiohttp."""
    if name != "HttpTransport":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sp00ky_transport_http.transport import HttpTransport  # noqa: PLC0415  # see above

    return HttpTransport
