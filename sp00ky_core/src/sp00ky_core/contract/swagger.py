"""Say what Swagger 2.0 says in the words of OpenAPI 3: parameters and bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs

from sp00ky_core.contract.documents import Node
from sp00ky_core.contract.media_types import essence, format_of

__all__ = ["Declared", "as_openapi_3"]

Declared = Mapping[tuple[str, str], Node]
"""The parameters of an operation, by place and name."""

_STYLES: Mapping[str, tuple[str, bool]] = {
    "csv": ("form", False),
    "ssv": ("spaceDelimited", False),
    "tsv": ("tabDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
}
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def as_openapi_3(root: Node, operation: Node, declared: Declared) -> tuple[Declared, Node | None]:
    """Return an operation's parameters, and its ``requestBody``; None: it has none."""
    consumes = operation.get("consumes") or root.get("consumes")
    listed = consumes.value if consumes and isinstance(consumes.value, list) else []
    media_types = [media_type for media_type in listed if isinstance(media_type, str)]
    fields = {name: node for (place, name), node in declared.items() if place == "formData"}
    body = next((node for (place, _), node in declared.items() if place == "body"), None)
    request: Any = None
    if body is not None:
        media = (
            {"schema": {"$ref": f"{body.uri}#{quote(body.pointer)}/schema"}} if "schema" in body.value else {}
        )
        request = {
            "required": body.value.get("required"),
            "content": dict.fromkeys(media_types or ["application/json"], media),
        }
    elif fields:
        request = _form(fields, media_types)
    parameters = {key: _with(node, schema=_itself(node), **_style(node)) for key, node in declared.items()}
    pointer = f"{operation.pointer}/requestBody"
    return parameters, attrs.evolve(operation, pointer=pointer, value=request) if request else None


def _form(fields: Mapping[str, Node], media_types: list[str]) -> dict[str, Any]:
    files = {name for name, node in fields.items() if node.value.get("type") == "file"}
    if not media_types or any(format_of(name, None) for name in media_types):
        forms = [name for name in media_types if essence(name) in (_FORM, _MULTIPART)] or [_FORM]
        media_types = [_MULTIPART] if files else forms
    file = {"type": "string", "format": "binary"}
    required = [name for name, node in fields.items() if node.value.get("required") is True]
    schema = {
        "type": "object",
        "properties": {name: file if name in files else _itself(node) for name, node in fields.items()},
        "required": required,
        "additionalProperties": False,
    }
    media = {"schema": schema, "encoding": {name: _style(node) for name, node in fields.items()}}
    return {"required": bool(required), "content": dict.fromkeys(media_types, media)}


def _style(node: Node) -> dict[str, Any]:
    style, explode = _STYLES.get(str(node.value.get("collectionFormat")), _STYLES["csv"])
    return {"style": style, "explode": explode}


def _with(node: Node, **more: Any) -> Node:
    return attrs.evolve(node, value={**node.value, **more})


def _itself(node: Node) -> dict[str, str]:
    return {"$ref": f"{node.uri}#{quote(node.pointer)}"}
