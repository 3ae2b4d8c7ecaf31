"""The least payloads of operations, made of a contract's own schemas."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument, NoSuchExample

from sp00ky_openapi import Operation
from sp00ky_openapi.schema import Schemas

_DEEPEST = 12  # what needs more is left out
_FORMATS = {
    "date-time": "2024-02-29T12:30:00Z",
    "date": "2024-02-29",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "email": "a@x.test",
    "ipv4": "10.0.0.1",
    "uri": "https://x.test/",
}


class TooDeep(Exception):
    """A schema has no value that is found so simply."""


def least_payload(
    operation: Operation, schemas: Schemas, definitions: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return a payload of the explicit form: required parameters, and the body; None: none is found."""
    try:
        return _payload(operation, schemas, definitions)
    except (TooDeep, NoSuchExample, InvalidArgument, re.error):
        return None


def _payload(operation: Operation, schemas: Schemas, definitions: Mapping[str, Any]) -> dict[str, Any]:
    payload: dict[str, Any] = {"$path": {}}
    for parameter in operation.parameters:
        if parameter.required:
            schema = schemas.reference(parameter.schema) or {"type": "string"}
            held = payload.setdefault(f"${parameter.place}", {})
            held[parameter.name] = _least(schema, definitions, 0)
    if operation.bodies and operation.bodies[0].format in ("json", "form", "multipart"):
        body = schemas.reference(operation.bodies[0].schema) or {"type": "object"}
        payload["$body"] = _least(body, definitions, 0)
    return payload


def _least(schema: Any, definitions: Mapping[str, Any], depth: int) -> Any:
    schema = _merged(schema, definitions, depth)
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else next(iter(sorted(kinds, key="null".__eq__)))
    if kind == "object":
        properties = schema.get("properties", {})
        required = properties if schema.get("minProperties") else schema.get("required", ())
        return {name: _least(properties.get(name, False), definitions, depth + 1) for name in required}
    if kind == "array":
        item = schema.get("items", {})
        return [_least(item, definitions, depth + 1) for _ in range(max(1, schema.get("minItems", 1)))]
    return {"boolean": True, "null": None}.get(kind, _scalar(schema, kind))


def _scalar(schema: Mapping[str, Any], kind: str) -> Any:
    if kind in ("integer", "number"):
        return schema.get("minimum", schema.get("maximum", schema.get("exclusiveMinimum", 0) + 1))
    fewest, most = max(1, schema.get("minLength", 1)), schema.get("maxLength", 100)
    if "pattern" in schema:
        return _text(schema["pattern"], fewest, most)
    return _FORMATS.get(schema.get("format", ""), "x" * fewest)


@cache
def _text(pattern: str, fewest: int, most: int) -> str:
    texts = st.from_regex(pattern).map(lambda text: text.rstrip("\n"))
    quick = settings(database=None, phases=[Phase.generate])
    return find(texts, lambda text: fewest <= len(text) <= most, settings=quick)


def _merged(schema: Any, definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Return a schema with what it refers to, all of its ``allOf`` and the first of its alternatives."""
    if depth > _DEEPEST or schema is False:
        raise TooDeep
    whole: dict[str, Any] = dict(schema) if isinstance(schema, dict) else {}
    parts = [definitions[whole.pop("$ref").rpartition("/")[2]]] if "$ref" in whole else []
    parts += whole.pop("allOf", [])
    parts += [branches[0] for key in ("oneOf", "anyOf") if (branches := whole.pop(key, None))]
    for part in parts:
        inner = _merged(part, definitions, depth + 1)
        joined = {key: {**inner.get(key, {}), **whole.get(key, {})} for key in ("properties",)}
        required = list(dict.fromkeys([*inner.get("required", ()), *whole.get("required", ())]))
        whole = {**inner, **whole, **joined, "required": required}
    return whole
