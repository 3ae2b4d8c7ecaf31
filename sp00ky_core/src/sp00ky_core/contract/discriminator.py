"""Let a ``discriminator`` choose among the schemas of a ``oneOf`` or ``anyOf``.

A value of its property belongs to the schema that the mapping names for it, else to those that have it as
``const`` or in ``enum`` of that property, else to the schema of that name, else to the default mapping's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from operator import and_, or_
from typing import Any
from urllib.parse import unquote

import attrs

from sp00ky_core.contract.documents import DocumentProblem, Node
from sp00ky_core.contract.value_types import ALTERNATIVES, combined, values_of
from sp00ky_core.encoding.json_bytes import steps_of

_PLAIN = re.compile(r"-?[0-9]{1,15}|true|false")  # keys of a mapping that may stand for what isn't text
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
    condition, then, every = (schema.get(key) for key in ("if", "then", "else"))
    if not isinstance(condition, dict) or condition.keys() != {"type", "required"}:
        return None
    if not isinstance(then, dict) or then.keys() != {"allOf"} or not isinstance(every, dict):
        return None
    every = every.get("else", every)
    return every if isinstance(every, dict) and len(every) == 1 and set(every) <= set(ALTERNATIVES) else None
