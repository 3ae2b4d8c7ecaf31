"""List the keys of the objects that a JSON Schema describes, joining what it is composed of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import attrs

from sp00ky_core.job.options import is_plain_text
from sp00ky_openapi.schema import alternatives

MOST_VARIANTS = 16
"""Kinds of objects that one schema may describe; of one with more the keys aren't listed."""

DEEPEST = 24
"""Schemas within each other, or referring to each other, that are looked into."""

_OPEN = ("patternProperties", "dependentSchemas")


@attrs.frozen(kw_only=True)
class Shape:
    """The keys of an object.

    Attributes:
        properties: The schema of each.
        required: Those that it must have.
        is_listed: Whether a schema names keys, or says that there are none.
    """

    properties: Mapping[str, Any] = attrs.field(factory=dict)
    required: frozenset[str] = frozenset()
    is_listed: bool = False


class Shapes:
    """The shapes of a document's objects. ``definitions`` are what ``$ref`` means, by name."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def of(self, schema: Any) -> Sequence[Shape] | None:
        """Return the shapes that an object may have; None where its keys can't be listed."""
        shapes = self._of(schema, 0)
        return shapes if shapes and all(map(_is_usable, shapes)) else None

    def _of(self, schema: Any, depth: int) -> list[Shape] | None:
        if not isinstance(schema, dict):
            return [Shape()] if schema is True else None
        if depth > DEEPEST or is_open(schema) or not may_be(schema, "object"):
            return None
        shapes: list[Shape] | None = [_own(schema)]
        for part in self._parts(schema, depth + 1):
            shapes = joined(shapes, part)
        return shapes

    def _parts(self, schema: Mapping[str, Any], depth: int) -> Iterable[list[Shape] | None]:
        """Yield the shapes of each part that an object must fit besides."""
        if "$ref" in schema:
            yield self._of(referred(schema, self._definitions), depth)
        for part in schema.get("allOf", ()):
            yield self._of(part, depth)
        if "if" in schema:
            yield self._of(alternatives(schema) or nullable(schema), depth)
        if "oneOf" in schema:
            yield self._any(schema["oneOf"], depth)
        if "anyOf" in schema:
            yield _overlapping(self._any(schema["anyOf"], depth))

    def _any(self, branches: Sequence[Any], depth: int) -> list[Shape] | None:
        variants: list[Shape] = []
        for branch in branches:
            if may_be(branch, "object"):
                shapes = self._of(branch, depth)
                if shapes is None or len(variants) > MOST_VARIANTS:
                    return None
                variants.extend(shapes)
        return variants


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether a schema says that there may be other keys; most say nothing, and mean that there are none."""
    others = (schema.get(key, False) for key in ("additionalProperties", "unevaluatedProperties"))
    return any(other is not False for other in others) or any(schema.get(key) for key in _OPEN)


def may_be(schema: Any, kind: str) -> bool:
    """Whether a value of this type may fit a schema, by the schema's own ``type``."""
    return not isinstance(schema, dict) or "type" not in schema or kind in kinds(schema)


def kinds(schema: Mapping[str, Any]) -> Sequence[Any]:
    """Return the types that a schema names itself."""
    kind = schema.get("type", [])
    return kind if isinstance(kind, list) else [kind]


def nullable(schema: Mapping[str, Any]) -> Any:
    """Return what a schema says that null fits besides; None: it is no such schema."""
    return schema.get("else") if schema.get("if") == {"type": "null"} and "then" not in schema else None


def referred(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Return the schema that ``$ref`` means."""
    return definitions.get(schema["$ref"].rpartition("/")[2])


def _own(schema: Mapping[str, Any]) -> Shape:
    required = frozenset(key for key in schema.get("required", ()) if isinstance(key, str))
    properties = schema.get("properties", {})
    is_listed = bool(properties) or schema.get("additionalProperties") is False
    return Shape(properties=properties, required=required, is_listed=is_listed)


def _is_usable(shape: Shape) -> bool:
    return shape.is_listed and all(key and is_plain_text(key) for key in {*shape.properties, *shape.required})


def joined(ones: Sequence[Shape] | None, others: Sequence[Shape] | None) -> list[Shape] | None:
    """Return the shapes of objects that fit both; None where there are too many."""
    if ones is None or others is None or len(ones) * len(others) > MOST_VARIANTS:
        return None
    return [
        Shape(
            properties={**other.properties, **one.properties},
            required=one.required | other.required,
            is_listed=one.is_listed or other.is_listed,
        )
        for one, other in product(ones, others)
    ]


def _overlapping(shapes: list[Shape] | None) -> list[Shape] | None:
    """Let an object that fits one of several have the keys of the others, too."""
    every = {name: True for shape in shapes or () for name in shape.properties}
    return shapes and [attrs.evolve(shape, properties={**every, **shape.properties}) for shape in shapes]
