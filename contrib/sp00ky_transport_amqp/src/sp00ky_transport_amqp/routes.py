"""Read the routes that a backend lists, and find where a job's path leads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import attrs

from sp00ky_core.config import values

LONGEST = 255
"""Bytes that AMQP has for the name of an exchange, and for a routing key."""

_ROUTE = re.compile(r"/(?:(?P<exchange>[^/*#\s]+)/)?(?P<key>[^/\s]*)")
_EXAMPLE = "/orders/order.paid, /orders/order.* or, for a queue, /invoices"


@attrs.frozen
class Route:
    """A line of ``routes``.

    Attributes:
        text: As it is written: ``/EXCHANGE/ROUTING.KEY``, or ``/QUEUE``.
        exchange: Its name; empty: the default one, which knows every queue by its name.
        pattern: What the routing key has to match whole.
    """

    text: str
    exchange: str
    pattern: re.Pattern[str]


def _route(value: Any) -> Route:
    text = values.text(value)
    match = _ROUTE.fullmatch(text)
    if match is None or text == "/" or any(len(group.encode()) > LONGEST for group in match.groups("")):
        raise values.ReadProblem(f"expected /EXCHANGE/ROUTING.KEY, such as {_EXAMPLE}")
    return Route(text, match["exchange"] or "", _pattern(match["key"]))


def _pattern(key: str) -> re.Pattern[str]:
    """Return what a binding of a topic exchange means: ``*`` is a word, ``#`` any number of words."""
    words = "".join(_OF_WORD.get(word, rf"\.{re.escape(word)}") for word in key.split("."))
    return re.compile(words)


_OF_WORD = {"*": r"\.[^.]+", "#": r"(?:\.[^.]+)*"}


def read_routes(value: Any) -> tuple[Route, ...]:
    """Read ``routes``. Raises ``ReadProblem``."""
    routes: tuple[Route, ...] = values.listed(_route, "[/orders/order.paid, /orders/order.*]")(value)
    if not routes:
        raise values.ReadProblem("expected at least one route, such as [/orders/order.paid]")
    return routes


def place_of(path: str, routes: Iterable[Route]) -> tuple[str, str] | None:
    """Return the exchange and the routing key that a path leads to; None where it isn't listed."""
    exchange, slash, key = path.removeprefix("/").rpartition("/")
    is_sound = bool(exchange) == bool(slash) and len(key.encode()) <= LONGEST
    for route in routes:
        if is_sound and route.exchange == exchange and route.pattern.fullmatch(f".{key}"):
            return exchange, key
    return None
