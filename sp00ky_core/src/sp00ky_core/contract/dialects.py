"""OpenAPI's schema dialects -> JSON Schema 2020-12, as a request's payload is concerned. Pure.

A document is rewritten as a whole, so that every ``$ref`` into it still finds what it found before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Rewrite", "as_json_schema", "rewrite_30", "rewrite_31"]

Rewrite = Callable[[dict[str, Any]], dict[str, Any]]

_COMPOSED = ("$ref", "allOf", "anyOf", "oneOf", "not")
_DATA = frozenset({"enum", "const"})  # values, not schemas: copied as they are
_UNUSED = frozenset({"default", "example", "examples"})  # values that decide nothing here
_NAMES = frozenset(
    # keys whose mappings have names as keys, which may look like keywords ("default", "example")
    {
        *("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"),
        *("schemas", "parameters", "requestBodies", "responses", "headers", "links", "callbacks"),
        *("pathItems", "paths", "securitySchemes", "content", "encoding", "variables", "mapping"),
    }
)


def as_json_schema(value: Any, rewrite: Rewrite, *, names: bool = False) -> Any:
    """A copy of a document with its schemas rewritten, and every key a text (YAML has ``200:``)."""
    if isinstance(value, list):
        return [as_json_schema(item, rewrite) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {}
    for key, inner in value.items():
        name = _text(key)
        if names:
            copy[name] = as_json_schema(inner, rewrite)
        elif name in _DATA:
            copy[name] = _as_data(inner)
        elif name not in _UNUSED:
            copy[name] = as_json_schema(inner, rewrite, names=name in _NAMES)
    return copy if names else rewrite(copy)


def _as_data(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_data(item) for item in value]
    if isinstance(value, dict):
        return {_text(key): _as_data(inner) for key, inner in value.items()}
    return value


def _text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def rewrite_31(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.1 is JSON Schema 2020-12, but for what is only required in responses."""
    return _for_requests(schema)


def rewrite_30(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0: ``nullable``, boolean exclusive limits, and ``$ref`` that hides what stands beside it."""
    nullable = schema.pop("nullable", None) is True
    if isinstance(schema.get("$ref"), str):
        schema = {"$ref": schema["$ref"]}
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        _rewrite_limit(schema, limit, exclusive)
    schema = _for_requests(schema)
    return _nullable(schema) if nullable else schema


def _rewrite_limit(schema: dict[str, Any], limit: str, exclusive: str) -> None:
    if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
        schema[exclusive] = schema.pop(limit)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if any(keyword in schema for keyword in _COMPOSED):
        # not `anyOf`: this way the violations inside keep their own places
        return {"if": {"type": "null"}, "else": schema}
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema


def _for_requests(schema: dict[str, Any]) -> dict[str, Any]:
    """A property that is ``readOnly`` and required is required in responses only."""
    if schema.get("additionalProperties") is False:
        schema.setdefault("properties", {})  # else the validator doesn't say which ones it refused
    required, properties = schema.get("required"), schema.get("properties")
    if isinstance(required, list) and isinstance(properties, dict):
        schema["required"] = [name for name in required if not _read_only(properties.get(name))]
    return schema


def _read_only(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("readOnly") is True
