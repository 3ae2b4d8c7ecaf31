"""Rewrite one schema object of OpenAPI 3.0, 3.1 or 3.2 as JSON Schema 2020-12 has it, for a request. Pure.

``nullable`` and boolean exclusive limits are 3.0's, numeric ones and lists of types 3.1's; documents mix
them, and what each means is clear in either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_COMPOSED = ("$ref", "allOf", "anyOf", "oneOf", "not", "const", "if")
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def json_schema(written: dict[str, Any], source: dict[str, Any], read_only: Callable[[str], bool]) -> Any:
    """Change a schema, whose inner ones are rewritten already, in place, and return it.

    ``source`` is as it stands in the document; what is ``read_only`` is in responses, and not required here.
    """
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        _rewrite_limit(written, limit, exclusive)
    _limit_range(written)
    _rewrite_types(written)
    if written.get("additionalProperties") is False:
        written.setdefault("properties", {})  # else the validator doesn't say which ones it refused
    required = written.get("required")
    if isinstance(required, bool):
        del written["required"]  # of a property, as drafts before 4 had it: says nothing about its value
    elif isinstance(required, list):
        written["required"] = [n for n in required if not (isinstance(n, str) and read_only(n))]
    return _nullable(written) if source.get("nullable") is True else written


def _rewrite_limit(schema: dict[str, Any], limit: str, exclusive: str) -> None:
    if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
        schema[exclusive] = schema.pop(limit)


def _limit_range(schema: dict[str, Any]) -> None:
    """``int32`` and ``int64`` are limits; narrower ones that the schema has stay."""
    name = schema.get("format")
    if not isinstance(name, str) or name not in _RANGES:
        return
    least, most = _RANGES[name]
    if _is_number(schema.get("minimum", least)):
        schema["minimum"] = max(schema.get("minimum", least), least)
    if _is_number(schema.get("maximum", most)):
        schema["maximum"] = min(schema.get("maximum", most), most)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rewrite_types(schema: dict[str, Any]) -> None:
    """YAML's ``type: null`` and ``[string, null]`` mean the type of that name."""
    kind = schema.get("type", "")
    if kind is None:
        schema["type"] = "null"
    elif isinstance(kind, list):
        schema["type"] = ["null" if each is None else each for each in kind]


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if any(keyword in schema for keyword in _COMPOSED):
        # not `anyOf`: this way the violations inside keep their own places
        return {"if": {"type": "null"}, "else": schema}
    kind = schema.get("type")
    if isinstance(kind, str | list):
        schema["type"] = list(dict.fromkeys([*([kind] if isinstance(kind, str) else kind), "null"]))
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema
