"""Read a store's URL: ``mysql://USER:PASSWORD@HOST:PORT/DATABASE?KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import attrs

from sp00ky_core.errors import ConfigError

__all__ = ["Address", "address_of"]

KEYS = frozenset({"unix_socket", "ssl", "ssl_ca"})

EXPECTED = (
    "expected mysql://USER:PASSWORD@HOST:PORT/DATABASE, with @ / # ? in a password as %40 %2F %23 %3F, "
    "and of keys after a ? no others than unix_socket=PATH, ssl=true and ssl_ca=FILE"
)


@attrs.frozen(kw_only=True)
class Address:
    """A store's URL, read.

    Attributes:
        location: The URL, fit to be printed.
        driver: What the driver gets; may hold a password.
    """

    location: str
    driver: Mapping[str, Any] = attrs.field(repr=False)


def address_of(url: str) -> Address:
    """Read a store's URL. Raises ``ConfigError`` where it names no database, or has keys of no meaning."""
    parts = urlsplit(url)
    database, query = unquote(parts.path[1:]), dict(parse_qsl(parts.query, keep_blank_values=True))
    try:
        port = parts.port or 3306
    except ValueError:
        port = 0
    extra = parts.netloc.count("@") > 1 or bool(parts.fragment) or not KEYS.issuperset(query)
    if not port or not database or "/" in database or extra or query.get("ssl") not in {None, "true"}:
        raise ConfigError(file="the store's URL", problem=EXPECTED)
    user = f"{parts.username}@" if parts.username else ""
    netloc = f"{user}{parts.netloc.rpartition('@')[2]}"
    driver = {
        "host": parts.hostname or "localhost",
        "port": port,
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "database": database,
        "unix_socket": query.get("unix_socket"),
        "ssl": {"ca": query["ssl_ca"]} if "ssl_ca" in query else query.get("ssl") == "true",
    }
    return Address(location=urlunsplit(parts._replace(netloc=netloc)), driver=driver)
