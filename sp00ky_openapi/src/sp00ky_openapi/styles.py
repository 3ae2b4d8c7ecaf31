"""Write values as the parts of a URL, a header or a form, in OpenAPI's styles. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus, unquote

import attrs

from sp00ky_openapi.operation import Parameter
from sp00ky_openapi.safety import HEADER_VALUE, segment_problem

Escape = Callable[[str], str]
Step = str | int

_SIMPLE = (str, int)  # quicker to look for than their union
_SCALAR = "it must be text, a number or a boolean"
_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}
_PREFIXES = {"label": ".", "matrix": ";"}
_RESERVED = ":/?@!$'()*,;=[]"  # of RFC 3986, but for what ends or joins a query's parts


@attrs.frozen
class Unwritable(ValueError):
    """A value can't be written where it belongs.

    Attributes:
        problem: Why, in words that quote nothing of it.
        steps: Where in it.
    """

    problem: str
    steps: tuple[Step, ...] = ()


@contextmanager
def at(*steps: Step) -> Iterator[None]:
    """Say of what can't be written that it is there."""
    try:
        yield
    except Unwritable as error:
        raise Unwritable(error.problem, (*steps, *error.steps)) from None


def scalar(value: object, *steps: Step) -> str:
    """Return a JSON scalar as text: ``true``, ``7``, ``a b``. Raises ``Unwritable``."""
    if isinstance(value, str):
        if value.isascii() or not any("\ud800" <= mark <= "\udfff" for mark in value):
            return value
        raise Unwritable("it has a lone surrogate", steps)
    if type(value) is int:
        return str(value)
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    raise Unwritable(_SCALAR, steps)


def json_text(value: object) -> str:
    """Return a value as JSON in ASCII. Raises ``ValueError`` for what JSON can't hold."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def query_text(text: str) -> str:
    """Return a text as a query and a form have it."""
    return text if _is_plain(text) else quote_plus(scalar(text))


def reserved_text(text: str) -> str:
    """Return a text as a query has it that allows what is reserved."""
    return quote(scalar(text), safe=_RESERVED)


def _plain(text: str) -> str:
    return text


def _item(text: str) -> str:
    if "," in text:
        raise Unwritable("nothing in a header's list may hold a comma")
    return text


def _whole(text: str) -> str:
    """Escape all that is reserved."""
    return text if _is_plain(text) else quote(text, safe="")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isalnum()


def written(parameter: Parameter, value: object) -> list[str]:
    """Return what a request has for a parameter; nothing: it is left out. Raises ``Unwritable``.

    A query and a cookie have any number of parts, a path and the headers one.
    """
    escape, escape_name = _escapes(parameter, value)
    has_pairs, prefix = parameter.place in ("query", "cookie"), _PREFIXES.get(parameter.style, "")
    if parameter.content_type is not None:
        content = json_text(value) if "json" in parameter.content_type.lower() else scalar(value)
        has_name, prefix, listed = has_pairs, "", iter([(parameter.name, escape(content))])
    else:
        has_name = has_pairs or prefix == ";" or (parameter.explode and isinstance(value, dict))
        listed = pairs(parameter.name, value, parameter.style, explode=parameter.explode, escape=escape)
    texts = [f"{escape_name(key)}={text}" if has_name else text for key, text in listed]
    if has_pairs or not texts:
        return texts
    text = prefix + (prefix or ",").join(texts)
    if problem := _problem(parameter, text):
        raise Unwritable(problem)
    return [text]


def _escapes(parameter: Parameter, value: object) -> tuple[Escape, Escape]:
    """Return how a parameter's values and names are escaped."""
    if parameter.place == "query":
        return reserved_text if parameter.allow_reserved else query_text, query_text
    if parameter.place == "header":
        escape = _plain if isinstance(value, _SIMPLE) else _item
        return escape, escape
    return _whole, _whole


def _problem(parameter: Parameter, text: str) -> str | None:
    if parameter.place == "path":
        return None if _is_plain(text) else segment_problem(unquote(text))
    if HEADER_VALUE.fullmatch(text):
        return None
    return "it becomes a header, so it must be ASCII without control characters"


def pairs(
    name: str, value: object, style: str, *, explode: bool, escape: Escape = _plain
) -> Iterator[tuple[str, str]]:
    """Yield the names and escaped texts of a query or a form that stand for a value; null for none.

    Raises:
        Unwritable: a list or an object inside one, where the style has no way to say that.
    """
    if style == "deepObject":
        for key, text in _deep(name, value, ()):
            yield key, escape(text)
        return
    if isinstance(value, _SIMPLE):
        yield name, escape(scalar(value))
        return
    items = _items(value)
    if explode and isinstance(value, dict):
        yield from ((key, escape(text)) for key, text in items)
    elif explode or not isinstance(value, dict | list):
        yield from ((name, escape(text)) for _, text in items)
    elif items:
        yield name, _separated(style, items, escape)


def _separated(style: str, items: list[tuple[str, str]], escape: Escape) -> str:
    separator = _SEPARATORS.get(style, ",")
    given = [text for pair in items for text in pair[not pair[0] :]]
    texts = [*map(escape, given)]
    # A comma that is escaped differs from one that isn't; other separators are escaped, too.
    if any(separator in text for text in (texts if separator == "," else given)):
        raise Unwritable("nothing in it may hold what separates its items")
    return (separator if separator == "," or escape is _plain else quote(separator)).join(texts)


def _items(value: object) -> list[tuple[str, str]]:
    """Return the keys and texts of what a value holds: nothing for null, no key but an object's."""
    if isinstance(value, dict):
        return [(key, scalar(item, key)) for key, item in value.items() if item is not None]
    if isinstance(value, list):
        return [("", scalar(item, index)) for index, item in enumerate(value) if item is not None]
    return [] if value is None else [("", scalar(value))]


def _deep(name: str, value: object, steps: tuple[Step, ...]) -> Iterator[tuple[str, str]]:
    """Yield ``name[key]`` for each scalar in a value, however deep."""
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in entries:
            yield from _deep(f"{name}[{key}]", item, (*steps, key))
    elif value is not None:
        yield name, scalar(value, *steps)
