"""Read a store's URL: ``mysql://USER:PASSWORD@HOST:PORT,HOST/DATABASE?KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

import attrs

from sp00ky_core.errors import ConfigError

__all__ = ["Address", "address_of"]

KEYS = frozenset({"unix_socket", "ssl", "ssl_ca"})

EXPECTED = (
    "expected mysql://USER:PASSWORD@HOST:PORT/DATABASE, with @ / # ? in a password as %40 %2F %23 %3F, "
    "several servers as HOST:PORT,HOST:PORT, "
    "and of keys after a ? no others than unix_socket=PATH, ssl=true and ssl_ca=FILE"
)


@attrs.frozen(kw_only=True)
class Address:
    """A store's URL, read.

    Attributes:
        location: The URL, fit to be printed.
        drivers: What the driver gets for each server, in the URL's order; may hold a password.
    """

    location: str
    drivers: tuple[Mapping[str, Any], ...] = attrs.field(repr=False)

    @property
    def driver(self) -> Mapping[str, Any]:
        """What the driver gets for the first server."""
        return self.drivers[0]


def address_of(url: str) -> Address:
    """Read a store's URL. Raises ``ConfigError`` where it names no database, or has keys of no meaning."""
    parts = urlsplit(url)
    database, query = unquote(parts.path[1:]), dict(parse_qsl(parts.query, keep_blank_values=True))
    hosts = [_host(each) for each in parts.netloc.rpartition("@")[2].split(",")]
    extra = parts.netloc.count("@") > 1 or bool(parts.fragment) or not KEYS.issuperset(query)
    if None in hosts or not database or "/" in database or extra or query.get("ssl") not in {None, "true"}:
        raise ConfigError(file="the store's URL", problem=EXPECTED)
    user = f"{parts.username}@" if parts.username else ""
    netloc = f"{user}{parts.netloc.rpartition('@')[2]}"
    driver = {
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "database": database,
        "unix_socket": query.get("unix_socket"),
        "ssl": {"ca": query["ssl_ca"]} if "ssl_ca" in query else query.get("ssl") == "true",
    }
    drivers = tuple({"host": host[0], "port": host[1], **driver} for host in hosts if host)
    return Address(location=urlunsplit(parts._replace(netloc=netloc)), drivers=drivers)


def _host(text: str) -> tuple[str, int] | None:
    """Return a server's name and its port; None: its port is none."""
    parts = SplitResult("", text, "", "", "")
    try:
        port = 3306 if parts.port is None else parts.port
    except ValueError:
        port = 0
    return (parts.hostname or "localhost", port) if port else None
