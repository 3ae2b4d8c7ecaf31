"""Bound the work of validating one value: count the schemas that it would be held against. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOST = 50_000
"""Of schemas for one value: a validator's second. Documents that people write stay below 5,000."""

_ALL = ("allOf", "anyOf", "oneOf")
_ONE = ("not", "if")
_EITHER = ("then", "else")
_INNER = (
    *("properties", "patternProperties", "prefixItems", "items", "contains", "additionalProperties"),
    *("propertyNames", "unevaluatedProperties", "unevaluatedItems", "dependentSchemas"),
)


class Weights:
    """Weigh the schemas of a document, each definition once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._light = set[str]()

    def too_heavy(self, definitions: Mapping[str, Any]) -> str | None:
        """Return the name of a definition in which some value would be held against too many schemas."""
        for name in (name for name in definitions if name not in self._light):
            pending = [definitions[name]]
            while pending:
                schema = pending.pop()
                if self._of(schema, definitions) > MOST:
                    return name
                pending += _inner(schema)
            self._light.add(name)
        return None

    def _of(self, schema: Any, definitions: Mapping[str, Any]) -> int:
        """Count a schema, and those that hold for the same value."""
        if not isinstance(schema, dict):
            return 1
        held = [part for key in _ALL for part in schema.get(key, ())]
        held += [schema[key] for key in _ONE if key in schema]
        held += schema.get("dependentSchemas", {}).values()
        either = [self._of(schema[key], definitions) for key in _EITHER if key in schema]
        named = self._of_name(schema["$ref"].rpartition("/")[2], definitions) if "$ref" in schema else 0
        return 1 + sum(self._of(part, definitions) for part in held) + max(either, default=0) + named

    def _of_name(self, name: str, definitions: Mapping[str, Any]) -> int:
        if name not in self._known:
            self._known[name] = 0  # one that is inside itself adds nothing
            self._known[name] = self._of(definitions[name], definitions)
        return self._known[name]


def _inner(schema: Any) -> Iterator[Any]:
    """Yield the schemas in a schema, but not what they refer to."""
    if not isinstance(schema, dict):
        return
    for key in (*_INNER, *_ALL, *_ONE, *_EITHER):
        held = schema.get(key, ())
        is_mapping = key in ("properties", "patternProperties", "dependentSchemas")
        yield from held.values() if is_mapping and held else held if isinstance(held, list) else [held]
