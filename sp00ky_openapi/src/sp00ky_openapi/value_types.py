"""Say which values a schema allows at all, as far as its words show that without one being checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import chain
from operator import and_, or_
from typing import Any, TypeVar

import attrs

from sp00ky_openapi.documents import Node

ALTERNATIVES = ("anyOf", "oneOf")
SCALARS = frozenset({"string", "integer", "number", "boolean"})
_ALL = SCALARS | {"object", "array"}
_WIDER = {"number": {"integer", "number"}}
_TEXTUAL = ("text/", "application/json", "application/xml")
_PYTHON = (
    *((bool, "boolean"), (int, "integer"), (float, "number")),
    *((str, "string"), (list, "array"), (dict, "object")),
)

Said = TypeVar("Said")
Values = list[Any] | None


def combined(
    schema: Node | None,
    own: Callable[[Node], Said],
    *,
    unknown: Said,
    both: Callable[[Said, Said], Said],
    either: Callable[[Said, Said], Said],
) -> Said:
    """Combine what a schema says itself with what its reference, its ``allOf`` and its alternatives say.

    Each is looked at once, and without recursion: schemas may refer to each other hundreds of times.

    Args:
        schema: The schema; None: anything.
        own: Says it of one schema, a mapping, alone.
        unknown: What a schema says that says nothing; so does one inside itself.
        both: Joins what holds together.
        either: Joins what alternatives say.
    """
    results: dict[tuple[str, str], Said] = {}
    met: dict[tuple[str, str], list[list[Node]]] = {}

    def said(part: Node) -> Said:
        return results.get(part.place, unknown)

    pending = _mappings([schema] if schema else ())
    while pending:
        node = pending[-1]
        if node.place not in met:
            met[node.place] = _composition(node)
            inner = reversed(_mappings(chain(*met[node.place])))
            pending += [part for part in inner if part.place not in met]
        elif pending.pop().place not in results:
            parts, *alternatives = met[node.place]
            joined = (reduce(either, map(said, branches)) for branches in alternatives if branches)
            results[node.place] = reduce(both, [*map(said, parts), *joined], own(node))
    return unknown if schema is None else said(schema)


def _composition(schema: Node) -> list[list[Node]]:
    """Return what a schema's reference and its ``allOf`` are, then the alternatives of each keyword."""
    reference = [schema.target] if schema.is_reference else []
    return [reference + schema.listed("allOf"), *map(schema.listed, ALTERNATIVES)]


def _mappings(schemas: Iterable[Node]) -> list[Node]:
    """Return those that are mappings; ``false`` is one that allows no value."""
    shown = (
        attrs.evolve(schema, value={"enum": []}) if schema.value is False else schema for schema in schemas
    )
    return [schema for schema in shown if isinstance(schema.value, dict)]


def types_of(schema: Node | None) -> frozenset[str]:
    """Return the types, null apart, that a value of a schema may have; ``number``: those with a fraction."""
    return combined(schema, _own_types, unknown=_ALL, both=and_, either=or_)


def _own_types(schema: Node) -> frozenset[str]:
    written, values = schema.value.get("type"), _own_values(schema)
    names = {str(name) for name in (written if isinstance(written, list) else [written])}
    own = frozenset().union(*(_WIDER.get(name, {name}) for name in names)) if written is not None else _ALL
    return (own if values is None else own & set(map(_type_of, values))) - {"null", "None"}


def _type_of(value: Any) -> str:
    return next((name for kind, name in _PYTHON if isinstance(value, kind)), "null")


def _own_values(schema: Node) -> Values:
    if "const" in schema.value:
        return [schema.value["const"]]
    if isinstance(schema.value.get("enum"), list):
        return list(schema.value["enum"])
    return [None] if schema.value.get("type") == "null" else None


def values_of(schema: Node | None, own: Callable[[Node], Values] = _own_values) -> Values:
    """Return the values that a schema lists, be it in what it is composed of; None where it allows others.

    ``own`` says of one schema alone which it lists.
    """
    return combined(
        schema,
        own,
        unknown=None,
        both=lambda one, other: other if one is None else one,
        either=lambda one, other: None if one is None or other is None else [*one, *other],
    )


def allows_common(schemas: Iterable[Node | None]) -> bool:
    """Tell whether one value could fit all of some schemas, by their types and the values that they list."""
    known = list(schemas)
    if not reduce(and_, map(types_of, known), _ALL):
        return False
    listed = [values for schema in known if (values := values_of(schema)) is not None]
    return not listed or any(all(value in values for values in listed) for value in listed[0])


def is_bytes(schema: Node | None) -> bool:
    """Tell whether a value is bytes in a request, and so base64 in a payload; those of a list count, too."""
    return any(map(_is_binary, _parts(schema)))


def is_base64(schema: Node | None) -> bool:
    """Tell whether a value is base64 in a request, too; those of a list count."""
    return any(map(_is_encoded, _parts(schema)))


def _parts(schema: Node | None) -> Iterator[Node]:
    """Yield what a schema is composed of, and its items."""
    for part in schema.composing("allOf", *ALTERNATIVES) if schema else ():
        yield part
        if items := part.at("items"):
            yield from items.composing("allOf", *ALTERNATIVES)


def _is_encoded(schema: Node) -> bool:
    value = schema.value
    return value.get("format") in ("byte", "base64") or value.get("contentEncoding") == "base64"


def _is_binary(schema: Node) -> bool:
    content, encoding = schema.value.get("contentMediaType"), schema.value.get("contentEncoding")
    is_content = isinstance(content, str) and not content.startswith(_TEXTUAL)
    return "binary" in (schema.value.get("format"), encoding) or (is_content and encoding is None)
