"""Rewrite a document's schemas as JSON Schema 2020-12, bundle those that a route needs, bound their work.

A bundle stands alone: whatever its schemas refer to, in this file or another, is among its ``$defs``.
``nullable`` and boolean exclusive limits are OpenAPI 3.0's, numeric ones and lists of types 3.1's; documents
mix them, and what each means is clear in either.

A ``discriminator`` chooses among the schemas of a ``oneOf`` or ``anyOf``. A value of its property belongs to
the schema that the mapping names for it, else to those that have it as ``const`` or in ``enum`` of that
property, else to the schema of that name, else to the default mapping's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import and_, or_
from typing import Any
from urllib.parse import unquote

import attrs

from sp00ky_openapi.documents import DocumentProblem, Node
from sp00ky_openapi.json_text import steps_of
from sp00ky_openapi.value_types import combined, values_of

__all__ = ["Schemas", "alternatives"]

_Definition = tuple[Any, frozenset[str]]
"""A rewritten schema, and the names of those that it refers to."""


class Schemas:
    """The schemas of a document that routes have needed so far."""

    def __init__(self, *, reads_beside_references: bool) -> None:
        self._beside = reads_beside_references  # 3.0: what stands beside a $ref doesn't count
        self._names: dict[tuple[str, str], str] = {}
        self._nodes: list[Node] = []
        self._definitions: dict[str, _Definition] = {}
        self._weights = Weights()

    def bundle(
        self, schema: Mapping[str, Any], nodes: Iterable[Node], *, lenient: bool = False
    ) -> dict[str, Any]:
        """Return a schema with references by ``reference`` to some nodes, and with all that those need.

        Args:
            schema: What refers to them.
            nodes: The nodes.
            lenient: What can't be used allows anything.

        Raises:
            DocumentProblem: one of them is no schema, refers to what can't be had, or is too much work.
        """
        needed: dict[str, Any] = {}
        pending = [self._name(node) for node in nodes]
        while pending:
            name = pending.pop()
            if name not in needed:
                needed[name], references = self._definition(name, lenient=lenient)
                pending.extend(references)
        while (problem := self._too_heavy(needed)) is not None:
            name, text = problem
            if not lenient:
                raise DocumentProblem(text)
            needed[name] = True
        return {**schema, "$defs": needed}

    def _too_heavy(self, definitions: Mapping[str, Any]) -> tuple[str, str] | None:
        heavy = self._weights.too_heavy(definitions)
        if heavy is None:
            return None
        where = self._nodes[int(heavy)].shown
        return heavy, f"at {where} one value is to fit more than {MOST:,} schemas; use fewer"

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

    def _definition(self, name: str, *, lenient: bool) -> _Definition:
        if name not in self._definitions:
            node = self._nodes[int(name)]
            rewriting = _Rewriting(self, beside=self._beside)
            try:
                schema = rewriting.schema(node)
            except DocumentProblem:
                if lenient:
                    return True, frozenset()
                raise
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
        if isinstance(written.get(exclusive), bool) and written.pop(exclusive) and limit in written:
            written[exclusive] = written.pop(limit)
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


_PLAIN = re.compile(r"-?[0-9]{1,15}|true|false")  # keys of a mapping that may stand for what isn't text
_MADE_OF = "x-made-of"  # says nothing to a validator, and no document's own is kept
Place = tuple[str, str]  # URI and pointer


@attrs.frozen(kw_only=True)
class _Branch:
    schema: Any  # rewritten
    values: list[Any]  # of the property; empty where that isn't known
    requires: bool  # the property
    is_default: bool  # takes the values that belong to none


def chosen(node: Node, keyword: str, schemas: Sequence[Any]) -> dict[str, Any] | None:
    """Return what stands for ``oneOf`` or ``anyOf`` in a schema with a discriminator that chooses, else None.

    ``schemas`` are those under the keyword, rewritten.
    """
    listed = node.get(keyword)
    discriminator = node.get("discriminator") or (listed and _inherited(listed))
    named = discriminator.get("propertyName") if discriminator else None
    if discriminator is None or listed is None or named is None or not isinstance(named.value, str):
        return None
    mapped, default = _mapped(discriminator), discriminator.get("defaultMapping")
    defaults = set(_mapping_places(default)) if default else set()
    branches = [
        _Branch(
            schema=schema,
            values=_values(branch, named.value, mapped),
            requires=_requires(branch, named.value),
            is_default=not defaults.isdisjoint(_places(branch)),
        )
        for (_, branch), schema in zip(listed.children(), schemas, strict=True)
    ]
    return _selection(named.value, keyword, branches)


def _inherited(listed: Node) -> Node | None:
    """Return the discriminator of a schema that all of some alternatives are made of; None: there is none."""
    shared: dict[Place, Node] = {}
    for index, (_, branch) in enumerate(listed.children()):
        known = ((part.place, part.get("discriminator")) for part in branch.composing("allOf"))
        shared = {place: node for place, node in known if node and (index == 0 or place in shared)}
    return next(iter(shared.values()), None)


def _selection(name: str, keyword: str, branches: Sequence[_Branch]) -> dict[str, Any] | None:
    every = {keyword: [branch.schema for branch in branches]}
    by_value: dict[str, tuple[Any, list[Any]]] = {}
    for branch in branches:
        for text, value in {json.dumps(value): value for value in branch.values}.items():  # 1 is not true
            by_value.setdefault(text, (value, []))[1].append(branch.schema)
    if not by_value:
        return None
    cases = [
        {"if": _has(name, [value]), "then": _any_of(keyword, schemas)} for value, schemas in by_value.values()
    ]
    others = [branch.schema for branch in branches if branch.is_default or not branch.values]
    known = _has(name, [value for value, _ in by_value.values()])
    other = {"if": known, "else": _any_of(keyword, others)} if others else known
    absent = _without(name, keyword, branches)
    return {
        _MADE_OF: every,
        "if": {"type": "object", "required": [name]},
        "then": {"allOf": [other, *cases]},
        "else": every if absent is None else {"if": {"type": "object"}, "then": absent, "else": every},
    }


def _without(name: str, keyword: str, branches: Sequence[_Branch]) -> Any:
    """Return the schema of an object without the property; None: it may be any of them."""
    defaults = [branch.schema for branch in branches if branch.is_default]
    if defaults:
        return _any_of(keyword, defaults)
    return {"required": [name]} if all(branch.requires for branch in branches) else None


def _any_of(keyword: str, schemas: list[Any]) -> Any:
    return schemas[0] if len(schemas) == 1 else {keyword: schemas}


def _has(name: str, values: list[Any]) -> dict[str, Any]:
    return {"properties": {name: {"enum": values}}}


def _values(branch: Node, name: str, mapped: dict[Place, list[Any]]) -> list[Any]:
    """Return the values of the property that mean a branch."""
    taken = [value for values in mapped.values() for value in values]
    constants = values_of(branch, lambda schema: values_of(schema.declared(name)))
    values = [value for place in _places(branch) for value in mapped.get(place, ())]
    values += [value for value in constants or () if value not in taken]
    if not values and constants is None and branch.is_reference:
        values = [_name(branch.value["$ref"])]
    return values


def _name(reference: str) -> str:
    """Return the name that a reference ends with, without the extension of a file."""
    file, _, pointer = reference.partition("#")
    if pointer:
        return steps_of(f"/{unquote(pointer)}")[-1]
    return unquote(file).rpartition("/")[2].partition(".")[0]


def _mapped(discriminator: Node) -> dict[Place, list[Any]]:
    """Return the values that the mapping names, by where their schema is."""
    mapped: dict[Place, list[Any]] = {}
    for key, target in discriminator.entries("mapping"):
        values = [key, json.loads(key)] if _PLAIN.fullmatch(key) else [key]
        for place in dict.fromkeys(_mapping_places(target)):
            mapped.setdefault(place, []).extend(values)
    return mapped


def _mapping_places(target: Node) -> Iterator[Place]:
    if not isinstance(target.value, str):
        return
    for reference in (f"#/components/schemas/{target.value}", target.value):  # a bare name, or a reference
        try:
            yield from _places(target.documents.next_node(reference, target))
        except DocumentProblem:
            continue
        return


def _places(node: Node) -> list[Place]:
    """Locate a schema, and what it refers to."""
    return [part.place for part in node.composing()]


def _requires(branch: Node, name: str) -> bool:
    def own(schema: Node) -> bool:
        required = schema.value.get("required")
        return isinstance(required, list) and name in required

    return combined(branch, own, unknown=False, both=or_, either=and_)


def alternatives(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the ``oneOf`` or ``anyOf`` that ``chosen`` made a choice of; None: it is no such choice."""
    return schema.get(_MADE_OF)


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
        named = self._known.get(_referred(schema), 0)
        return 1 + sum(map(self._of, _beside(schema))) + max(either, default=0) + named


def _referred(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _references(schema: Any) -> Iterator[str]:
    """Yield the names of the definitions that hold for the same value."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield _referred(schema)
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
