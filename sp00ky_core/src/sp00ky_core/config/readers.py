"""What a key of sp00ky.yml may hold: readers take what YAML gave and return the value, or say what to write.

Strict: text is no number, ``"false"`` is no boolean, ``true`` is no number. Only a value that was one
``${VAR}`` and nothing else is read as YAML would read it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sp00ky_core.config.settings import Secret
from sp00ky_core.config.variables import FromVariable
from sp00ky_core.paths import path_problem
from sp00ky_core.yamltext import YamlProblem, parse_yaml

__all__ = [
    "Reader",
    "ReadProblem",
    "text",
    "secret",
    "token",
    "only",
    "boolean",
    "whole",
    "number",
    "duration",
    "statuses",
    "table_name",
    "http_url",
    "endpoint_url",
    "store_location",
]

Reader = Callable[[Any], Any]

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d|w)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_LONGEST = 100 * 365 * 86_400.0  # seconds
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_TABLE = 48  # so that an index's name, made from it, fits into PostgreSQL's 63 bytes
_IN_A_HEADER = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[\w.~-]+|\[[0-9A-Fa-f:.]+\]")


class ReadProblem(ValueError):
    """A value that can't stand where it does; the text says what can, and holds no secret."""


def _shown(value: object) -> str:
    """The value for a message, unless a variable brought it: that may be a secret in the wrong place."""
    if isinstance(value, FromVariable):
        return "the variable's value"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)[:60]


def _plain(value: Any) -> Any:
    """A number or a boolean that a variable stands for."""
    if not isinstance(value, FromVariable):
        return value
    try:
        return parse_yaml(str(value))
    except YamlProblem:
        return value


def text(value: Any) -> str:
    """Text that isn't empty."""
    if not isinstance(value, str):
        raise ReadProblem(f"expected text, not {_shown(value)}; put it in quotes if it is meant so")
    if not value or "\0" in value:
        raise ReadProblem("expected text, and it is empty or holds a NUL")
    return str(value)


def secret(value: Any) -> Secret:
    """Text that isn't empty, never shown."""
    if not isinstance(value, str) or not value:
        raise ReadProblem("expected text that isn't empty, in quotes where it looks like a number")
    return Secret(str(value))


def token(value: Any) -> Secret:
    """A secret that fits into an HTTP header."""
    found = secret(value)
    if not _IN_A_HEADER.fullmatch(found.value):
        raise ReadProblem(
            "expected a token of printable ASCII without spaces or line ends (or is there one at its end?)"
        )
    return found


def only(*allowed: str) -> Reader:
    """One of a few words. Another one isn't shown: it may be a token on the wrong line."""

    def read(value: Any) -> str:
        if value not in allowed:
            raise ReadProblem(f"expected {' or '.join(allowed)}")
        return str(value)

    return read


def boolean(value: Any) -> bool:
    """``true`` or ``false``."""
    found = _plain(value)
    if not isinstance(found, bool):
        raise ReadProblem(f"expected true or false (without quotes), not {_shown(value)}")
    return found


def whole(low: int, high: int | None = None) -> Reader:
    """An integer in a range, both ends included."""
    expected = f"a whole number, at least {low}" if high is None else f"a whole number from {low} to {high}"

    def read(value: Any) -> int:
        found = _plain(value)
        fits = isinstance(found, int) and not isinstance(found, bool) and low <= found <= (high or 2**63 - 1)
        if not fits:
            raise ReadProblem(f"expected {expected}, not {_shown(value)}")
        return int(found)

    return read


def number(low: float, high: float | None = None, *, above: bool = False) -> Reader:
    """A finite number in a range, its ends included (the lower one not, if ``above``)."""
    expected = f"a number {'over' if above else 'of at least'} {low:g}"
    expected += "" if high is None else f" and at most {high:g}"

    def read(value: Any) -> float:
        found = _finite(_plain(value))
        if found is None or found < low or (above and found == low) or (high is not None and found > high):
            raise ReadProblem(f"expected {expected}, not {_shown(value)}")
        return found

    return read


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def duration(value: Any) -> float | None:
    """Seconds; infinity for ``never``, None for null."""
    found = _plain(value)
    if found is None:
        return None
    if found == "never":
        return math.inf
    seconds = _seconds(found) if isinstance(found, str) else _finite(found)
    if seconds is None or not 0 <= seconds <= _LONGEST:
        raise ReadProblem(
            "expected a duration such as 500ms, 90s, 6h or 14d, a number of seconds, or never, "
            f"not {_shown(value)}"
        )
    return seconds


def _seconds(written: str) -> float | None:
    found = _DURATION.fullmatch(written)
    return float(found[1]) * _UNITS[found[2]] if found else None


def statuses(value: Any) -> frozenset[int]:
    """A list of HTTP statuses."""
    if not isinstance(value, list):
        raise ReadProblem(f"expected a list of HTTP statuses such as [400, 422], not {_shown(value)}")
    return frozenset(map(whole(100, 599), value))


def table_name(value: Any) -> str:
    """A table's name that every database takes unquoted, and that isn't one of our own tables."""
    found = text(value)
    if not _TABLE.fullmatch(found) or len(found) > _LONGEST_TABLE:
        raise ReadProblem(
            f"expected a table name of letters, digits and _, at most {_LONGEST_TABLE} characters, "
            f"not {_shown(value)}"
        )
    if found.casefold().startswith("sp00ky_"):
        raise ReadProblem("names that start with sp00ky_ are the runner's own tables; choose another one")
    return found


def http_url(value: Any) -> str:
    """The URL of a backend."""
    found = text(value)
    url = _split(found, ("http", "https"))
    problem = path_problem(url.path or "/")
    if problem:
        raise ReadProblem(f"its path can't be used: {problem}")
    return found


def endpoint_url(value: Any) -> str:
    """The address of a SurrealDB server, or of an embedded one."""
    found = text(value)
    if found.partition("://")[0] in {"mem", "surrealkv"}:
        return found
    url = _split(found, ("ws", "wss", "http", "https"))
    if url.path.strip("/") not in {"", "rpc"}:
        raise ReadProblem("expected an address without a path, such as ws://localhost:8000")
    return found


def _split(found: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of an absolute URL that names a host and holds no secret, no query and no fragment."""
    example = f"{schemes[0]}://localhost:8000"
    if not found.isprintable() or any(mark in found for mark in ' <>"{}|\\^`'):
        raise ReadProblem(f"expected a URL such as {example}, without spaces or other odd characters")
    try:
        url = urlsplit(found)
        port = url.port
    except ValueError:
        raise ReadProblem(f"its host or its port is none; expected a URL such as {example}") from None
    if url.scheme not in schemes:
        raise ReadProblem(f"expected a URL that starts with {' or '.join(f'{each}://' for each in schemes)}")
    if "@" in url.netloc:
        raise ReadProblem("it must not hold a user or a password; say who you are under its own keys")
    if port == 0 or not _HOST.fullmatch(url.netloc.removesuffix(f":{port}").removesuffix(":")):
        raise ReadProblem(f"its host or its port is none; expected a URL such as {example}")
    if "?" in found or "#" in found:
        raise ReadProblem("it must have no query and no fragment; leave out what follows ? or #")
    return url


def store_location(value: Any) -> Secret:
    """A store's URL, never shown."""
    found = secret(value)
    scheme, colon, _ = found.value.partition("://")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) or not found.value.isprintable():
        raise ReadProblem(
            "expected a store URL such as postgresql://localhost/app, surrealkv://./data or ws://localhost:8000/ns/db"
        )
    try:
        urlsplit(found.value)
    except ValueError:
        raise ReadProblem("its host is none; an IPv6 address stands in [...]") from None
    return found
