"""Read the store's URL: which keys are the store's, and what the driver gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from sp00ky_core.errors import OptionInvalid
from sp00ky_store_postgres.schema.definition import LONGEST_NAME

ESCAPED = "@ / # ? in a password written as %40 %2F %23 %3F; a port up to 65535"
SECRETS = frozenset({"password", "sslpassword", "passfile"})


@attrs.frozen(kw_only=True)
class PostgresOptions:
    """A store's URL, read.

    Attributes:
        dsn: What the driver gets; may hold a password.
        location: The URL, fit to be printed.
        schema: Of the tables.
        listen_url: Past the pooler, for LISTEN and migrations.
        notify: Whether inserts wake idle runners.
        pooled: Behind a pooler in transaction mode: no prepared statements, no session settings.
        connections: For everything but claims, settles and beats, which have their own.
    """

    dsn: str = attrs.field(repr=False)
    location: str
    schema: str = "public"
    listen_url: str | None = attrs.field(default=None, repr=False)
    notify: bool = True
    pooled: bool = False
    connections: int = 10

    @property
    def direct_dsn(self) -> str:
        """Return a DSN whose sessions last as long as their connections."""
        return self.listen_url or self.dsn

    @property
    def direct_location(self) -> str:
        """Return the URL of ``direct_dsn``, fit to be printed."""
        return self.location if self.listen_url is None else without_secrets(self.listen_url)


def read_url(url: str) -> PostgresOptions:
    """Read a store's URL.

    The store's own keys are ``schema``, ``listen_url``, ``notify`` (on, off), ``pgbouncer`` (1, 0) or
    ``statement_cache_size=0``, and ``connections``; the others are the driver's.

    Raises:
        OptionInvalid: a key of the store's with a value that it can't have, or a port that is no number.
    """
    parts = _split(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    own = {key: READERS[key](key, value) for key, value in query if key in READERS}
    drivers = [(key, value) for key, value in query if key not in READERS]
    is_uncached = own.pop("statement_cache_size", None) == 0
    return PostgresOptions(
        dsn=urlunsplit(parts._replace(query=urlencode(drivers))),
        location=without_secrets(url),
        pooled=own.pop("pgbouncer", False) or is_uncached,
        **own,
    )


def _split(url: str) -> SplitResult:
    """Return the URL's parts, without the driver that SQLAlchemy's scheme names."""
    parts = urlsplit(url)
    rest = f"{parts.path}{parts.query.partition('=')[0]}{parts.fragment}"
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if parts.netloc.count("@") > 1 or "@" in rest or not all(map(_has_port_or_none, hosts)):
        raise _invalid("the password or the port", "another text", ESCAPED)
    return parts._replace(scheme=parts.scheme.partition("+")[0])


def _has_port_or_none(host: str) -> bool:
    """Tell whether one host's port is a number; a URL may name several hosts."""
    try:
        return SplitResult("", host, "", "", "").port != 0
    except ValueError:
        return False


def without_secrets(url: str) -> str:
    """Return a URL without its passwords, nor those of a URL in its query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    shown = [
        (key, without_secrets(value) if key == "listen_url" else value)
        for key, value in parse_qsl(parts.query)
        if key not in SECRETS
    ]
    netloc = f"{user}@{host}" if user else host
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode(shown, safe="/:@", quote_via=quote)))


def _invalid(parameter: str, value: str, expected: str) -> OptionInvalid:
    return OptionInvalid(option=f"{parameter} of the store's URL", value=value[:80], expected=expected)


def _switch(key: str, value: str) -> bool:
    known = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
    if value.lower() not in known:
        raise _invalid(key, repr(value), "on or off")
    return known[value.lower()]


def _name(key: str, value: str) -> str:
    if not value or "\0" in value or len(value.encode()) > LONGEST_NAME:
        raise _invalid(key, repr(value), f"a name of at most {LONGEST_NAME} bytes")
    return value


def _count(key: str, value: str) -> int:
    if not value.isdecimal():
        raise _invalid(key, repr(value), "a number")
    return int(value)


def _listen_url(key: str, value: str) -> str:
    if urlsplit(value).scheme not in {"postgresql", "postgres"}:
        raise _invalid(key, "another URL", "postgresql://...")
    return read_url(value).dsn


READERS: Mapping[str, Callable[[str, str], Any]] = {
    "schema": _name,
    "listen_url": _listen_url,
    "notify": _switch,
    "pgbouncer": _switch,
    "statement_cache_size": _count,
    "connections": lambda key, value: max(_count(key, value), 1),
}
