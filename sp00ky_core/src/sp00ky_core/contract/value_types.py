"""Say which values a schema allows at all, as far as its words show that without one being checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

from sp00ky_core.contract.documents import Node

__all__ = ["SCALARS", "allows_common", "is_base64", "is_bytes", "types_of"]

SCALARS = frozenset({"string", "integer", "number", "boolean"})
_ALL = SCALARS | {"object", "array", "null"}
_WIDER = {"number": {"integer", "number"}}
_TEXTUAL = ("text/", "application/json", "application/xml")
_PYTHON = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"))


def types_of(schema: Node | None) -> frozenset[str]:
    """Return the types that a value of a schema may have; ``number`` stands for those with a fraction."""
    return _types(schema, frozenset())


def _types(schema: Node | None, seen: frozenset[tuple[str, str]]) -> frozenset[str]:
    if schema is not None and schema.value is False:
        return frozenset()
    if schema is None or not isinstance(schema.value, dict) or schema.place in seen:
        return _ALL
    seen |= {schema.place}
    own = _declared(schema.value)
    if schema.is_reference:
        target = schema.documents.next_node(schema.value["$ref"], schema)
        own &= _types(target, seen)
    for part in schema.listed("allOf"):
        own &= _types(part, seen)
    for keyword in ("anyOf", "oneOf"):
        if branches := schema.listed(keyword):
            own &= frozenset().union(*(_types(branch, seen) for branch in branches))
    return own | {"null"} if schema.value.get("nullable") is True else own


def _declared(schema: dict[str, Any]) -> frozenset[str]:
    listed = schema.get("type")
    kinds = listed if isinstance(listed, list) else [listed]
    names = {str(kind) if kind is not None else "null" for kind in kinds}
    own = frozenset().union(*(_WIDER.get(name, {name}) for name in names)) if listed is not None else _ALL
    values = _listed(schema)
    return own if values is None else own & frozenset(map(_type_of, values))


def _listed(schema: dict[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema["enum"] if isinstance(schema.get("enum"), list) else None


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _PYTHON if isinstance(value, kind)), "object")


def allows_common(schemas: Iterable[Node | None]) -> bool:
    """Whether one value could fit all of some schemas, by their types and the values that they list."""
    known = list(schemas)
    if not reduce(frozenset.intersection, map(types_of, known), _ALL) - {"null"}:
        return False
    listed = [values for schema in known if schema and (values := _values(schema)) is not None]
    return not listed or any(all(value in values for values in listed) for value in listed[0])


def _values(schema: Node) -> list[Any] | None:
    schema = schema.followed()
    return _listed(schema.value) if isinstance(schema.value, dict) else None


def is_bytes(schema: Node | None) -> bool:
    """Whether a value is bytes in a request, and so base64 in a payload; those of a list count, too."""
    return any(map(_is_binary, _parts(schema)))


def is_base64(schema: Node | None) -> bool:
    """Whether a value is base64 in a request, too; those of a list count."""
    return any(map(_is_encoded, _parts(schema)))


def _parts(schema: Node | None) -> Iterator[Node]:
    """Yield what a schema is composed of, and its items."""
    for part in schema.composing("allOf", "anyOf", "oneOf") if schema else ():
        yield part
        if items := part.at("items"):
            yield from items.composing("allOf", "anyOf", "oneOf")


def _is_encoded(schema: Node) -> bool:
    value = schema.value
    return value.get("format") in ("byte", "base64") or value.get("contentEncoding") == "base64"


def _is_binary(schema: Node) -> bool:
    content = schema.value.get("contentMediaType")
    is_content = isinstance(content, str) and not content.startswith(_TEXTUAL)
    return schema.value.get("format") == "binary" or (is_content and "contentEncoding" not in schema.value)
