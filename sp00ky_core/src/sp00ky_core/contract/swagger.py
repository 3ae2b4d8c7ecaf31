"""Read what Swagger 2.0 says in other words than OpenAPI 3: parameters and bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs

from sp00ky_core.contract.documents import Node
from sp00ky_core.contract.media_types import essence, format_of, precedence
from sp00ky_core.contract.operation import Body, Encoding, Parameter

__all__ = ["swagger_bodies", "swagger_parameter"]

_STYLES: Mapping[str, tuple[str, bool]] = {
    "csv": ("form", False),
    "ssv": ("spaceDelimited", False),
    "tsv": ("tabDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_FILE = {"type": "string", "format": "binary"}


def swagger_parameter(place: Any, name: str, node: Node) -> Parameter:
    """Read a parameter, which is its own schema."""
    style, explode = _style(node)
    return Parameter(
        place=place,
        name=name,
        required=place == "path" or node.value.get("required") is True,
        style=style if place == "query" else "simple" if style == "form" else style,
        explode=explode,
        schema=node,
    )


def _style(node: Node) -> tuple[str, bool]:
    return _STYLES.get(str(node.value.get("collectionFormat")), _STYLES["csv"])


def swagger_bodies(
    root: Node, operation: Node, declared: Mapping[tuple[str, str], Node]
) -> tuple[tuple[Body, ...], bool, list[str]]:
    """Read the bodies of an operation, whether it needs one, and the media types that it takes."""
    consumes = operation.get("consumes") or root.get("consumes")
    listed = consumes.value if consumes and isinstance(consumes.value, list) else []
    media_types = [media_type for media_type in listed if isinstance(media_type, str)]
    body = next((node for (place, _), node in declared.items() if place == "body"), None)
    if body is not None:
        return _of_schema(body, media_types), _is_required(body), media_types
    fields = {name: node for (place, name), node in declared.items() if place == "formData"}
    if not fields:
        return (), False, []
    return _of_fields(operation, fields, media_types), any(map(_is_required, fields.values())), media_types


def _of_schema(body: Node, media_types: list[str]) -> tuple[Body, ...]:
    schema = body.at("schema")
    bodies = [
        Body(media_type=media_type, format=written, schema=schema)
        for media_type in media_types or ["application/json"]
        if (written := format_of(media_type, schema))
    ]
    return tuple(sorted(bodies, key=lambda body: precedence(body.media_type)))


def _of_fields(operation: Node, fields: Mapping[str, Node], media_types: list[str]) -> tuple[Body, ...]:
    if media_types and not any(format_of(name, None) for name in media_types):
        return ()
    files = frozenset(name for name, node in fields.items() if node.value.get("type") == "file")
    taken = [_FORMS[1]] if files else [name for name in media_types if essence(name) in _FORMS] or [_FORMS[0]]
    properties = {
        name: _FILE if name in files else {"$ref": _reference(node)} for name, node in fields.items()
    }
    required = [name for name, node in fields.items() if _is_required(node)]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    styles = {name: _style(node) for name, node in fields.items()}
    encodings = {name: Encoding(style=style, explode=explode) for name, (style, explode) in styles.items()}
    return tuple(
        Body(
            media_type=media_type,
            format="form" if essence(media_type) == _FORMS[0] else "multipart",
            schema=attrs.evolve(operation, pointer=f"{operation.pointer}/formData", value=schema),
            files=files,
            encodings=encodings,
        )
        for media_type in taken
    )


def _reference(node: Node) -> str:
    return f"{node.uri}#{quote(node.pointer)}"


def _is_required(node: Node) -> bool:
    return node.value.get("required") is True
