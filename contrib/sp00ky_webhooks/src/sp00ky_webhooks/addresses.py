"""Refuse URLs and addresses that a customer's webhook may not reach: private, local, metadata. Checked twice.

An address counts as the one that a router would send it to: IPv4 in IPv6 by whatever mechanism is IPv4.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import attrs

from sp00ky_core.errors import OptionInvalid, Sp00kyError

__all__ = ["AddressRefused", "Place", "Resolved", "place_of", "resolved"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolved = tuple[int, int, int, str, tuple[str, int]]
"""An address of a host, as ``getaddrinfo`` gives it: family, type, protocol, name, address and port."""

LONGEST_URL = 2_048  # characters
PORTS = {"http": 80, "https": 443}
BLOCKED_PORTS = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103),
        *(104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513),
        *(514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719),
        *(1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679),
        *(6697, 10080),
    }
)
"""Those that browsers refuse, by the Fetch standard: other protocols' servers could be spoken to."""
SERVICE_PORTS = frozenset(
    {
        *(1433, 1521, 1883, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4222, 5432, 5671, 5672, 5900, 5984),
        *(6379, 9042, 9092, 9200, 9300, 11_211, 27_017, 27_018, 27_019, 33_060),
    }
)
"""Of databases, brokers, caches and remote control: no customer receives webhooks there."""

EMBEDDED = {  # networks whose addresses hold one of IPv4, and the bit at which it begins
    ip_network("64:ff9b::/96"): 96,  # NAT64
    ip_network("::/96"): 96,  # IPv4-compatible
    ip_network("::ffff:0:0:0/96"): 96,  # IPv4-translated
    ip_network("2002::/16"): 16,  # 6to4
}
REFUSED = [
    *map(ip_network, ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15")),
    *map(ip_network, ("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")),
    *map(ip_network, ("fc00::/7", "fe80::/10", "fec0::/10", "168.63.129.16/32")),
]
"""Beside what ``ipaddress`` knows as not global: shared, local to a site, of a tunnel, and Azure's own."""
_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")
_NAME = re.compile(r"(?=.{1,253}\Z)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+")


@attrs.define(eq=False)
class AddressRefused(Sp00kyError):
    """An endpoint's address may not be requested, or can't be found.

    Attributes:
        problem: Why.
        is_unknown: The host can't be found, now.
    """

    problem: str
    is_unknown: bool = False

    def __str__(self) -> str:
        return self.problem


@attrs.frozen
class Place:
    """Where an endpoint is.

    Attributes:
        host: A name in ASCII, or an address.
        port: Of TCP.
        is_secure: Whether TLS is spoken.
    """

    host: str
    port: int
    is_secure: bool


def place_of(url: object, allowed: Sequence[Network] = ()) -> Place:
    """Return where a URL leads; an address in it is checked. Raises ``OptionInvalid``."""
    try:
        place = _place(url)
        if (literal := literal_of(place.host)) is not None:
            check(literal, allowed)
    except (AddressRefused, ValueError) as refused:
        shown = str(url).partition("?")[0].partition("@")[2] or str(url).partition("?")[0]
        expected = f"the http or https URL of a public host: {refused}"
        raise OptionInvalid(option="url", value=repr(shown)[:70], expected=expected) from None
    return place


def _place(url: object) -> Place:
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused("it has characters that a URL can't have")
    parts = urlsplit(url)
    host, is_literal = parts.hostname or "", parts.netloc.startswith("[")
    port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    wrong = {
        "it is too long, or has a backslash": len(url) > LONGEST_URL or "\\" in url,
        "its scheme is another": parts.scheme not in PORTS or "://" not in url,
        "it has a user": "@" in parts.netloc,
        "it has a fragment": "#" in url,
        "it has no host": not host,
        "its host is none": "%" in host or not (is_literal or _NAME.fullmatch(host)),
        f"its port {port} isn't one for HTTP": _is_refused(port),
    }
    for problem, is_so in wrong.items():
        if is_so:
            raise AddressRefused(problem)
    if is_literal:
        IPv6Address(host)
    return Place(host, port, parts.scheme == "https")


def _is_refused(port: int) -> bool:
    return not 0 < port < 65_536 or port in BLOCKED_PORTS | SERVICE_PORTS  # noqa: PLR2004


def literal_of(host: str) -> Address | None:
    """Return the address that a host is, in whatever spelling; None: it is a name.

    Octal, hexadecimal and short forms of IPv4 are addresses to ``getaddrinfo``. Raises ``AddressRefused``.
    """
    if ":" in host:
        return ip_address(host)
    if _NUMERIC.fullmatch(host) is None:
        last = host.rstrip(".").rpartition(".")[2]
        if last.isdigit() or re.fullmatch("0[xX][0-9a-fA-F]*", last):
            raise AddressRefused("its host is neither a name nor an address")
        return None
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        raise AddressRefused("its host is neither a name nor an address") from None


def check(address: Address, allowed: Iterable[Network] = ()) -> None:
    """Raise ``AddressRefused`` where an address is no public one, and not ``allowed``."""
    seen = within(address)
    if any(
        one.version == network.version and one in network for one in (address, seen) for network in allowed
    ):
        return
    is_refused = any(seen.version == network.version and seen in network for network in REFUSED)
    if is_refused or not seen.is_global or seen.is_multicast or seen.is_reserved or seen.is_unspecified:
        raise AddressRefused("its address is private, local or reserved; see allowPrivate")


def within(address: Address) -> Address:
    """Return the IPv4 address that one of IPv6 stands for, else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        raise AddressRefused("its address has a zone, so it is local")
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, start in EMBEDDED.items():
        if address in network and int(address) > 1:
            return IPv4Address(int(address) >> (96 - start) & 0xFFFFFFFF)
    return address


async def resolved(
    place: Place, allowed: Sequence[Network] = (), executor: Executor | None = None
) -> tuple[Resolved, ...]:
    """Return a host's addresses, each of which was checked: what is connected to is one of these.

    Raises:
        AddressRefused: One of them may not be reached, or there is none.
    """
    loop, find = asyncio.get_running_loop(), partial(socket.getaddrinfo, type=socket.SOCK_STREAM)
    try:
        found = await loop.run_in_executor(executor, find, place.host, place.port)
    except (OSError, UnicodeError):
        raise AddressRefused("its host can't be found", is_unknown=True) from None
    addresses = []
    for family, kind, protocol, name, where in found:
        host = str(where[0])
        if "%" in host:
            raise AddressRefused("its address has a zone, so it is local")
        check(ip_address(host), allowed)
        addresses.append((family, kind, protocol, name, where))
    if not addresses:
        raise AddressRefused("its host has no address")
    return tuple(addresses)  # type: ignore[arg-type]  # typeshed knows other families, too
