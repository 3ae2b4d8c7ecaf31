"""Refuse requests for another host, and those that another site has sent."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

READS = ("GET", "HEAD")

_PORT = re.compile(r":\d*$")


def problem_of(request: Request, allowed_hosts: Collection[str]) -> tuple[int, str] | None:
    """Return the status and the reason for which a request is refused; None: it isn't."""
    host = host_of(request)
    if not is_allowed(host, allowed_hosts):
        return 421, f"This server doesn't go by the name {host[:80]!r}: add it to allowed_hosts."
    if request.method not in READS and not is_same_site_post(request):
        return 403, "This request comes from another site."
    if "\0" in request.scope["path"]:
        return 404, "No page has this address."  # no text in a database can have it
    return None


def is_same_site_post(request: Request) -> bool:
    """Whether a request that changes something comes from a page of this origin, as its browser says.

    ``Sec-Fetch-Site`` decides, or ``Origin`` where a browser has no such header. A program sends neither: it
    needs the form's token as well.
    """
    if request.method != "POST":
        return False
    fetched_from = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if fetched_from is not None and fetched_from != "same-origin":
        return False
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def host_of(request: Request) -> str:
    """Return the name that the browser knows this server by."""
    return _PORT.sub("", request.headers.get("host", "")).strip("[]").lower()


def is_allowed(host: str, allowed_hosts: Collection[str]) -> bool:
    """Whether a server may go by this name: no other site can make a browser call ours by it.

    A name that another site owns can be pointed at this server (DNS rebinding); an address can't.
    """
    names = {"localhost", *(name.lower() for name in allowed_hosts)}
    return "*" in names or host in names or is_address(host)


def is_address(host: str) -> bool:
    """Whether it is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)
