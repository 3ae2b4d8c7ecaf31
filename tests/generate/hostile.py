"""An OpenAPI document whose every name tries to become code, or to hide some."""

from collections.abc import Mapping
from typing import Any

CODE = "x')\n__import__('os').system('touch owned')  # \"\"\"\\"
NAMES = (
    *(CODE, "class", "None", "__init__", "__class__", "_run", "self", "payload", "options", "outbox", "run"),
    *("str", "int", "datetime", "Any", "Literal", "TypedDict", "Options", "Job", "a-b", "a b", "a_b", "1st"),
    *("", "s\u0440ookify", "spookify", "\u202egnp.exe", "\ufb01le", "\u00e9t\u00e9", "x" * 500, "${HOME}"),
    *("line\u2028break", "tab\t", "{x}", "'''", '"""', "\\", "\\N{BULLET}", "%s", "keys", "items", "copy"),
)
"""Names with quotes and newlines, keywords, dunder names, the module's own names, confusables, no name."""

LOOPS = {
    "Recursive": {
        "type": "object",
        "required": ["child"],
        "properties": {
            "child": {"oneOf": [{"$ref": "#/components/schemas/Recursive"}, {"type": "null"}]},
            "more": {"type": "array", "items": {"$ref": "#/components/schemas/Recursive"}},
            "tree": {"$ref": "#/components/schemas/Endless"},
        },
    },
    "Endless": {"anyOf": [{"$ref": "#/components/schemas/Endless"}, {"$ref": "#/components/schemas/Loop"}]},
    "Loop": {"items": {"$ref": "#/components/schemas/Endless"}, "type": "array"},
}


def document() -> dict[str, Any]:
    named = {
        name: _object({other: {"type": "string", "enum": [name, other]} for other in NAMES if other})
        for name in NAMES
    }
    schemas = {**named, **LOOPS, "Nameless": _object({"": {}}), "Deep": _deep(60)}
    schemas["Lone"] = _object({"\ud800": {}, "enum": {"enum": ["\ud800"]}})
    schemas["Huge"] = _object({"huge": {"enum": [f"{CODE}{n}" for n in range(5_000)]}})
    schemas |= {f"Chain{n}": {"allOf": [_to(f"Chain{n + 1}"), _object({f"k{n}": {}})]} for n in range(400)}
    schemas |= {"Chain400": _object({"end": {}}), "Wide": {"allOf": [_either(n) for n in range(12)]}}
    paths = {f"/{number}": _post(_to(name), name) for number, name in enumerate(schemas)}
    paths |= {f"/{name}": _post(_object({"id": {}}), f"same {CODE}") for name in NAMES}
    return {"openapi": "3.1.0", "info": {}, "paths": paths, "components": {"schemas": schemas}}


def _to(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name.replace('~', '~0').replace('/', '~1')}"}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)[:3]}


def _either(number: int) -> dict[str, Any]:
    return {"oneOf": [_object({f"a{number}": {}}), _object({f"b{number}": {}})]}


def _deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": {"anyOf": [schema, {"type": "integer"}]}}
    return _object({"deep": schema})


def _post(schema: Mapping[str, Any], operation_id: str) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": schema}}}
    return {"post": {"operationId": operation_id, "requestBody": body, "responses": {}}}
