"""Rewrite a document's schemas as JSON Schema 2020-12, each once, and bundle those that a route needs.

A bundle stands alone: whatever its schemas refer to, in this file or another, is among its ``$defs``.
``nullable`` and boolean exclusive limits are OpenAPI 3.0's, numeric ones and lists of types 3.1's; documents
mix them, and what each means is clear in either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sp00ky_core.contract.discriminator import chosen
from sp00ky_core.contract.documents import DocumentProblem, Node

_Definition = tuple[Any, frozenset[str]]
"""A rewritten schema, and the names of those that it refers to."""


class Schemas:
    """The schemas of a document that routes have needed so far."""

    def __init__(self, *, reads_beside_references: bool) -> None:
        self._beside = reads_beside_references  # 3.0: what stands beside a $ref doesn't count
        self._names: dict[tuple[str, str], str] = {}
        self._nodes: list[Node] = []
        self._definitions: dict[str, _Definition] = {}

    def bundle(self, schema: Mapping[str, Any], nodes: Iterable[Node]) -> dict[str, Any]:
        """Return a schema with references by ``reference`` to some nodes, and with all that those need.

        Raises:
            DocumentProblem: one of them is no schema, or refers to what can't be had.
        """
        needed: dict[str, Any] = {}
        pending = [self._name(node) for node in nodes]
        while pending:
            name = pending.pop()
            if name not in needed:
                needed[name], references = self._definition(name)
                pending.extend(references)
        return {**schema, "$defs": needed}

    def reference(self, node: Node | None) -> dict[str, str]:
        """Return what stands for a schema in a bundle; of None, which allows anything, an empty one."""
        return {"$ref": f"#/$defs/{self._name(node)}"} if node else {}

    def shown(self, path: Iterable[str | int]) -> str:
        """Find where in the document a place in a bundle is."""
        match list(path):
            case ["$defs", name, *steps]:
                return "/".join(map(str, (self._nodes[int(name)].shown, *steps)))
        return ""

    def properties(self, path: Iterable[str | int]) -> list[str]:
        """Return the properties that a schema in a bundle lists beside the keyword at a place in it."""
        match list(path):
            case ["$defs", name, *steps, _]:
                schema, _ = self._definitions[str(name)]
                for step in steps:
                    schema = schema[step]
                return list(schema.get("properties", ()))
        return []

    def _name(self, node: Node) -> str:
        name = self._names.setdefault(node.place, str(len(self._nodes)))
        if name == str(len(self._nodes)):
            self._nodes.append(node)
        return name

    def _definition(self, name: str) -> _Definition:
        if name not in self._definitions:
            node = self._nodes[int(name)]
            rewriting = _Rewriting(self, beside=self._beside)
            try:
                schema = rewriting.schema(node)
            except RecursionError:
                raise DocumentProblem(f"the schema at {node.shown} is nested too deeply") from None
            self._definitions[name] = schema, frozenset(map(self._name, rewriting.met))
        return self._definitions[name]


class _Rewriting:
    """Rewrite one schema with all that stands in it, but for what it refers to."""

    def __init__(self, schemas: Schemas, *, beside: bool) -> None:
        self._schemas = schemas
        self._beside = beside
        self.met: list[Node] = []

    def schema(self, node: Node, whole: Node | None = None) -> Any:
        """Rewrite a schema; ``whole`` is the one that has it in its ``allOf``."""
        source = node.value
        if source is None or isinstance(source, bool):
            return source is not False  # YAML's `name:` without anything says nothing about it
        if not isinstance(source, dict):
            raise DocumentProblem(f"the schema at {node.shown} is none; expected a mapping")
        written = self._referred(node)
        if not written or self._beside:
            for key in source:
                if (rewrite := _KEYWORDS.get(key)) and (held := node.at(key)):
                    rewrite(self, node, key, held, written)
        return json_schema(written, source, lambda name: _is_read_only(whole or node, name))

    def _referred(self, node: Node) -> dict[str, Any]:
        for keyword in ("$ref", "$dynamicRef"):
            reference = node.value.get(keyword)
            if isinstance(reference, str):
                target = node.documents.next_node(reference, node)
                target.followed()  # raises where it leads in a circle
                self.met.append(target)
                return dict(self._schemas.reference(target))
        return {}

    def _one(self, _: Node, key: str, held: Node, written: dict[str, Any]) -> None:
        written[key] = self.schema(held)

    def _items(self, node: Node, key: str, held: Node, written: dict[str, Any]) -> None:
        if isinstance(held.value, list):  # as drafts before 2020 had it
            self._listed(node, "prefixItems", held, written)
        else:
            self._one(node, key, held, written)

    def _listed(self, node: Node, key: str, held: Node, written: dict[str, Any]) -> None:
        held = held.followed()
        if not isinstance(held.value, list):
            raise DocumentProblem(f"expected a list of schemas at {held.shown}")
        whole = node if key == "allOf" else None
        schemas = [self.schema(inner, whole) for _, inner in held.children()]
        selection = chosen(node, key, schemas) if key in {"oneOf", "anyOf"} and schemas else None
        if selection is not None:
            key, schemas = "allOf", [selection]
        if schemas:
            written[key] = [*written.get(key, ()), *schemas]

    def _named(self, _: Node, key: str, held: Node, written: dict[str, Any]) -> None:
        held = held.followed()
        if held.value is None:
            return
        if not isinstance(held.value, dict):
            raise DocumentProblem(f"expected a mapping from names to schemas at {held.shown}")
        written[key] = {name: self.schema(inner) for name, inner in held.children()}

    def _data(self, _: Node, key: str, held: Node, written: dict[str, Any]) -> None:
        value = held.value if key == "const" else held.followed().value
        if value is not None or key in {"const", "type"}:
            written[key] = value


_KEYWORDS: dict[str, Callable[[_Rewriting, Node, str, Node, dict[str, Any]], None]] = {
    **dict.fromkeys(("not", "if", "then", "else", "contains", "propertyNames"), _Rewriting._one),
    **dict.fromkeys(("additionalProperties", "unevaluatedProperties", "unevaluatedItems"), _Rewriting._one),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _Rewriting._listed),
    **dict.fromkeys(("properties", "patternProperties", "dependentSchemas"), _Rewriting._named),
    **dict.fromkeys(("type", "enum", "const", "format", "required", "dependentRequired"), _Rewriting._data),
    **dict.fromkeys(("multipleOf", "minimum", "maximum", "exclusiveMinimum"), _Rewriting._data),
    **dict.fromkeys(("exclusiveMaximum", "minLength", "maxLength", "pattern"), _Rewriting._data),
    **dict.fromkeys(("minItems", "maxItems", "uniqueItems", "minContains"), _Rewriting._data),
    **dict.fromkeys(("maxContains", "minProperties", "maxProperties"), _Rewriting._data),
    "items": _Rewriting._items,
}
"""The keywords that say something about a payload; others (titles, examples, ``x-...``) are left out."""


def is_read_only(declared: Node) -> bool:
    """Tell whether a property is one that answers have, and requests don't."""
    return any(part.value.get("readOnly") is True for part in declared.composing("allOf"))


def _is_read_only(schema: Node, name: str) -> bool:
    declared = (part.declared(name) for part in schema.composing("allOf"))
    return any(node is not None and is_read_only(node) for node in declared)


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
    """Make limits of ``int32`` and ``int64``; narrower ones that the schema has stay."""
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
    """Name the type that YAML's ``type: null`` and ``[string, null]`` mean."""
    kind = schema.get("type", "")
    if kind is None:
        schema["type"] = "null"
    elif isinstance(kind, list):
        schema["type"] = ["null" if name is None else name for name in kind]


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
