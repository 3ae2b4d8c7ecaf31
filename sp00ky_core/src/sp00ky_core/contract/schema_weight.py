"""Bound the work of validating one value: count the schemas that it would be held against. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOST = 50_000
"""Of schemas for one value: a validator's second. Documents that people write stay below 5,000."""

_ALL = ("allOf", "anyOf", "oneOf")
_ONE = ("not", "if")
_EITHER = ("then", "else")
_NAMED = ("properties", "patternProperties")
_INNER = (
    *("prefixItems", "items", "contains", "additionalProperties"),
    *("propertyNames", "unevaluatedProperties", "unevaluatedItems"),
)


class Weights:
    """Weigh the schemas of a document, each definition once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._light = set[str]()

    def too_heavy(self, definitions: Mapping[str, Any]) -> str | None:
        """Return the name of a definition in which some value would be held against too many schemas."""
        self._weigh(definitions)
        for name in (name for name in definitions if name not in self._light):
            pending = [definitions[name]]
            while pending:
                schema = pending.pop()
                if self._of(schema) > MOST:
                    return name
                pending += _inner(schema)
            self._light.add(name)
        return None

    def _weigh(self, definitions: Mapping[str, Any]) -> None:
        """Weigh each definition, after those that it is made of; without recursion, for chains are long."""
        pending, begun = [*definitions], set[str]()
        while pending:
            name = pending[-1]
            if name not in begun and name not in self._known:
                begun.add(name)
                pending += (ref for ref in _references(definitions[name]) if ref not in begun)
                continue
            if name not in self._known:
                self._known[name] = self._of(definitions[name])
            pending.pop()

    def _of(self, schema: Any) -> int:
        """Count a schema, and those that hold for the same value; one that is inside itself adds nothing."""
        if not isinstance(schema, dict):
            return 1
        either = [self._of(schema[key]) for key in _EITHER if key in schema]
        named = self._known.get(_name(schema), 0)
        return 1 + sum(map(self._of, _beside(schema))) + max(either, default=0) + named


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _references(schema: Any) -> Iterator[str]:
    """Yield the names of the definitions that hold for the same value."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield _name(schema)
        for part in (*_beside(schema), *(schema[key] for key in _EITHER if key in schema)):
            yield from _references(part)


def _beside(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the schemas in a schema that all hold for the same value."""
    for key in _ALL:
        yield from schema.get(key, ())
    yield from (schema[key] for key in _ONE if key in schema)
    yield from schema.get("dependentSchemas", {}).values()


def _inner(schema: Any) -> Iterator[Any]:
    """Yield all schemas in a schema, but not what they refer to."""
    if not isinstance(schema, dict):
        return
    yield from _beside(schema)
    for key in (*_INNER, *_EITHER):
        held = schema.get(key, ())
        yield from held if isinstance(held, list | tuple) else [held]
    for key in _NAMED:
        yield from schema.get(key, {}).values()
