"""Write a request's head as it goes over the wire in HTTP/1.1. Pure."""

from __future__ import annotations

from sp00ky_transport_http.request import Request

_BODILESS = frozenset({"GET", "HEAD"})


def head_of(request: Request) -> bytes:
    """Return the request line, the headers and the blank line; ``request`` has checked what is in them."""
    own = ""
    for name, value in request.own.items():
        own += f"{name}: {value}\r\n"
    if request.body or request.template.method not in _BODILESS:
        own += f"Content-Length: {len(request.body)}\r\n"
    return request.template.head + f"{own}\r\n".encode()
